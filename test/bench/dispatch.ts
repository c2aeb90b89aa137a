import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { pino } from 'pino'
import { DEFAULT_DELIVERY } from '../../schemas/config.ts'
import { handlerDestination } from '../../src/destinations/handlers/handler-destination.ts'
import { createPost, deliverBy } from '../../src/destinations/webhooks/deliver.ts'
import { createGuard } from '../../src/destinations/webhooks/egress.ts'
import { createSender } from '../../src/destinations/webhooks/send.ts'
import type { Destination } from '../../src/dispatch/destination.ts'
import { createDispatcher } from '../../src/dispatch/dispatcher.ts'
import { createEmbeddedLog } from '../../src/event-log/embedded.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { newSecret } from '../../src/lib/secret-box.ts'
import { createSigner } from '../../src/lib/sign.ts'
import { openSqlite } from '../../src/store/sqlite/sqlite.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { endpointRow } from '../helpers/endpoint-row.ts'
import { eventRecord } from '../helpers/event-records.ts'

/**
 * How many events a second the dispatcher brings to a handler that does nothing, and to a webhook receiver on loopback in another
 * thread; each against the bare loop that only does the calls. `node test/bench/dispatch.ts [--events 50000] [--size 1000]`
 */
const { values } = parseArgs({ options: { events: { type: 'string' }, size: { type: 'string' } } })
const EVENTS = Number(values.events ?? 50_000)
const BODY = JSON.stringify({ padding: 'x'.repeat(Number(values.size ?? 1_000)) })

const clock = systemClock()
const log = pino({ level: 'silent' })
const events = Array.from({ length: EVENTS }, (_, index) =>
  eventRecord({ orderId: `o${index % 5_000}`, sequence: Math.floor(index / 5_000) + 1, body: BODY }),
)
const report = (what: string, begin: number) => {
  const seconds = (performance.now() - begin) / 1000
  const rate = EVENTS / seconds
  console.log(`${what.padEnd(44)} ${Math.round(rate).toLocaleString('en').padStart(9)} events/s`)
  return rate
}

async function dispatched(what: string, destination: Destination): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const store = await openSqlite({ folder, clock })
  const lease = await store.leases.acquire('bench', 'bench', 600_000, clock.now())
  if (!lease) throw new Error('a new store gives every lease')
  if (destination.kind === 'endpoint') await store.endpoints.insert(endpointRow({ id: destination.id }))
  for (let from = 0; from < EVENTS; from += 1_000) {
    const page = events.slice(from, from + 1_000)
    await store.orders.commit(lease, { connection: 'shop', orders: [], events: page, published: true, quarantine: [] })
  }
  const eventLog = createEmbeddedLog({ store, clock })
  const { promise: done, resolve } = Promise.withResolvers<void>()
  let left = EVENTS
  const counted: Destination = {
    ...destination,
    async deliver(event, context) {
      const outcome = await destination.deliver(event, context)
      if (outcome.result === 'delivered' && --left === 0) resolve()
      return outcome
    },
  }
  const dispatcher = createDispatcher({
    store,
    eventLog,
    clock,
    log,
    metrics: createMetrics(),
    group: 'bench',
    destinations: async () => [counted],
    disable: async () => {},
    test: async () => ({ statusCode: null, ms: 0, error: null }),
  })
  const begin = performance.now()
  await dispatcher.start()
  await done
  const rate = report(what, begin)
  await dispatcher.stop(1_000)
  await eventLog.close()
  await store.close()
  rmSync(folder, { recursive: true })
  return rate
}

const context = { attempt: 1, replay: false, signal: new AbortController().signal }
async function bare(what: string, destination: Destination): Promise<number> {
  const begin = performance.now()
  let next = 0
  const lane = async () => {
    for (let event = events[next++]; event; event = events[next++]) await destination.deliver(event, context)
  }
  await Promise.all(Array.from({ length: DEFAULT_DELIVERY.concurrency }, lane))
  return report(what, begin)
}

const handler = handlerDestination('noop', { on: '*', run: async () => {} }, { delivery: DEFAULT_DELIVERY, clock, log })
const loop = await bare('handler that does nothing, bare loop', handler)
const through = await dispatched('handler that does nothing, dispatcher + SQLite', handler)
console.log(`ratio ${(loop / through).toFixed(1)}\n`)

const receiver = new Worker(
  `const { parentPort } = require('node:worker_threads')
   const server = require('node:http').createServer((request, response) => {
     request.resume()
     request.on('end', () => response.writeHead(204).end())
   })
   server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`,
  { eval: true },
)
const port = await new Promise<number>(resolve => receiver.once('message', resolve))
const sender = createSender({ guard: createGuard({ allow: ['127.0.0.0/8'] }), clock })
const signer = createSigner([newSecret()])
const post = createPost({
  url: `http://127.0.0.1:${port}/`,
  timeoutMs: 15_000,
  signer: () => signer,
  sender,
  clock,
  version: '0',
})
const hook: Destination = { ...handler, id: 'hook', kind: 'endpoint', deliver: deliverBy(post, clock) }
const direct = await bare('webhook on loopback, bare sender', hook)
const sent = await dispatched('webhook on loopback, dispatcher + SQLite', hook)
console.log(`ratio ${(direct / sent).toFixed(1)}`)
await sender.close()
await receiver.terminate()
