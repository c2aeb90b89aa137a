import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import type { EventRecord } from '../../src/order/event-record.ts'
import { eventRecord } from '../helpers/event-records.ts'
import { percentile, startReceivers } from './receivers.ts'
import { openStage } from './stage.ts'

/**
 * What a large replay to one destination costs the live latency of another: p50 and p99 from the publishing of an event to its
 * acknowledgement, before the replay, while it is being queued and delivered, and as a ratio; and the longest time the event loop stood still.
 * `node test/bench/replay.ts [--past 100000] [--rate 100] [--seconds 10]`
 */
const { values } = parseArgs({
  options: { past: { type: 'string' }, rate: { type: 'string' }, seconds: { type: 'string' } },
})
const PAST = Number(values.past ?? 100_000)
const RATE = Number(values.rate ?? 100)
const SECONDS = Number(values.seconds ?? 10)

const receivers = await startReceivers()
const url = `http://127.0.0.1:${receivers.port}`
const sentAt = new Map<string, number>()
let latencies: number[] = []
let replayed = 0
const stage = await openStage(
  [
    { id: 'live', url: `${url}/live` },
    { id: 'replayed', url: `${url}/replayed` },
  ],
  (id, event) => {
    if (id === 'replayed') replayed++
    else {
      const at = sentAt.get(event.id)
      if (at !== undefined) latencies.push(performance.now() - at)
      sentAt.delete(event.id)
    }
  },
)
const body = JSON.stringify({ padding: 'x'.repeat(1_000) })
const ORDERS = PAST / 10
for (let from = 0; from < PAST; from += 1_000)
  await stage.publish(
    Array.from({ length: 1_000 }, (_, index) => {
      const n = from + index
      return eventRecord({ orderId: `past${n % ORDERS}`, sequence: Math.floor(n / ORDERS) + 1, body })
    }),
  )
await stage.dispatcher.start()
while (replayed < PAST) await new Promise(resolve => setTimeout(resolve, 50))
console.log(`${PAST.toLocaleString('en')} past events, live traffic of ${RATE} events/s`)

let next = 0
async function traffic(until: () => boolean): Promise<number[]> {
  latencies = []
  const begin = performance.now()
  for (let n = 0; !until(); n++) {
    const wait = begin + (n * 1000) / RATE - performance.now()
    if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait))
    const event: EventRecord = eventRecord({ orderId: `live${next++}`, body })
    sentAt.set(event.id, performance.now())
    await stage.publish([event])
  }
  while (sentAt.size > 0) await new Promise(resolve => setTimeout(resolve, 5))
  return latencies
}

const loop = monitorEventLoopDelay({ resolution: 1 })
function report(what: string, list: readonly number[], begin: number): void {
  const seconds = (performance.now() - begin) / 1000
  console.log(
    `${what.padEnd(24)} ${seconds.toFixed(1).padStart(6)} s  p50 ${percentile(list, 0.5).toFixed(1)} ms  p99 ${percentile(list, 0.99).toFixed(1)} ms  ` +
      `max ${Math.max(...list).toFixed(0)} ms  longest stall ${(loop.max / 1e6).toFixed(0)} ms`,
  )
  loop.reset()
}
loop.enable()
let begin = performance.now()
const alone = await traffic(() => performance.now() - begin > SECONDS * 1000)
report('live alone', alone, begin)

begin = performance.now()
replayed = 0
await stage.dispatcher.replay('replayed', { until: Date.now() })
console.log(`asked for after ${(performance.now() - begin).toFixed(0)} ms`)
let queuedAll = false
const watching = (async () => {
  while ((await stage.store.replays.pending()).length > 0) await new Promise(resolve => setTimeout(resolve, 50))
  queuedAll = true
})()
const queuing = await traffic(() => queuedAll)
await watching
report('while it is queued', queuing, begin)
const draining = await traffic(() => replayed >= PAST)
report('while it is delivered', draining, begin)
const both = [...queuing, ...draining]
console.log(
  `ratio p50 ${(percentile(both, 0.5) / percentile(alone, 0.5)).toFixed(2)}, p99 ${(percentile(both, 0.99) / percentile(alone, 0.99)).toFixed(2)}`,
)
await stage.close()
await receivers.stop()
