import { parseArgs } from 'node:util'
import { eventRecord } from '../helpers/event-records.ts'
import { percentile, startReceivers } from './receivers.ts'
import { openStage } from './stage.ts'

/**
 * What three bad endpoints cost the others: 100 endpoints get every event; one of them is dead, one hangs until the timeout, and one takes one
 * request a second. p99 from publishing to acknowledgement of the other 97, with and without the three, by turns in one run, as a ratio.
 * `node test/bench/endpoints.ts [--rate 5] [--seconds 10] [--rounds 2]`
 */
const { values } = parseArgs({
  options: { rate: { type: 'string' }, seconds: { type: 'string' }, rounds: { type: 'string' } },
})
const RATE = Number(values.rate ?? 5)
const SECONDS = Number(values.seconds ?? 10)
const ROUNDS = Number(values.rounds ?? 2)

const receivers = await startReceivers()
const url = `http://127.0.0.1:${receivers.port}`
const good = Array.from({ length: 97 }, (_, index) => ({ id: `good${index}`, url: `${url}/good${index}` }))
const bad = [
  { id: 'dead', url: `${url}/dead` },
  { id: 'hangs', url: `${url}/hang`, delivery: { timeout: 3_000 } },
  { id: 'slow', url: `${url}/slow`, delivery: { rateLimit: { perSecond: 1, burst: 1 } } },
]

async function run(what: string, endpoints: Parameters<typeof openStage>[0]): Promise<readonly number[]> {
  const sentAt = new Map<string, number>()
  const latencies: number[] = []
  const stage = await openStage(endpoints, (id, event) => {
    const at = sentAt.get(event.id)
    if (at !== undefined && id.startsWith('good')) latencies.push(performance.now() - at)
  })
  await stage.dispatcher.start()
  const begin = performance.now()
  let count = 0
  for (; performance.now() - begin < SECONDS * 1000; count++) {
    const wait = begin + (count * 1000) / RATE - performance.now()
    if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait))
    const event = eventRecord({ orderId: `o${count % 20}`, sequence: Math.floor(count / 20) + 1 })
    sentAt.set(event.id, performance.now())
    await stage.publish([event])
  }
  while (latencies.length < count * good.length) await new Promise(resolve => setTimeout(resolve, 5))
  await stage.close()
  console.log(
    `${what.padEnd(28)} ${latencies.length} deliveries  p50 ${percentile(latencies, 0.5).toFixed(1)} ms  p99 ${percentile(latencies, 0.99).toFixed(1)} ms`,
  )
  return latencies
}

await run('warm-up', good)
const [without, with3]: [number[], number[]] = [[], []]
for (let round = 0; round < ROUNDS; round++) {
  without.push(...(await run('97 good ones', good)))
  with3.push(...(await run('97 good ones and 3 bad ones', [...good, ...bad])))
}
console.log(
  `ratio p50 ${(percentile(with3, 0.5) / percentile(without, 0.5)).toFixed(2)}, p99 ${(percentile(with3, 0.99) / percentile(without, 0.99)).toFixed(2)}`,
)
await receivers.stop()
