import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DEFAULT_DELIVERY } from '../../schemas/config.ts'
import { createPost, deliverBy } from '../../src/destinations/webhooks/deliver.ts'
import { createGuard } from '../../src/destinations/webhooks/egress.ts'
import { createSender } from '../../src/destinations/webhooks/send.ts'
import { createDispatcher } from '../../src/dispatch/dispatcher.ts'
import { createEmbeddedLog } from '../../src/event-log/embedded.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { newSecret } from '../../src/lib/secret-box.ts'
import { createSigner } from '../../src/lib/sign.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { endpointRow } from '../helpers/endpoint-row.ts'
import { createReceiver } from '../helpers/receiver.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { eventsOfOrders, silent } from './rig.ts'

const [ORDERS, EVENTS, ENDPOINTS] = [300, 5, 5]

test('300 orders of 5 events reach 5 endpoints that fail at random 20 % of the time: all of them, each order in sequence', async () => {
  const clock = systemClock()
  const folder = await mkdtemp(join(tmpdir(), 'crowd-'))
  const store = await openTestSqlite({ folder, clock })
  const lease = await store.leases.acquire('test', 'test', 600_000, clock.now())
  if (!lease) throw new Error('the lease is free')
  const eventLog = createEmbeddedLog({ store, clock })
  const sender = createSender({ guard: createGuard({ allow: ['127.0.0.0/8'] }), clock })
  // The first successes of each order at each endpoint, in the order of the answers.
  const firsts = Array.from({ length: ENDPOINTS }, () => new Map<string, Set<string>>())
  let arrived = 0
  let failed = 0
  const receivers = await Promise.all(
    firsts.map(async orders => {
      const receiver = await createReceiver()
      receiver.otherwise = (response, { body }) => {
        if (Math.random() < 0.2) {
          failed++
          return void response.writeHead(500).end()
        }
        const { id, partitionkey } = JSON.parse(body)
        const ids = orders.get(partitionkey) ?? new Set()
        orders.set(partitionkey, ids)
        arrived += ids.has(id) ? 0 : 1
        ids.add(id)
        response.writeHead(204).end()
      }
      return receiver
    }),
  )
  const destinations = receivers.map(({ url }, index) => {
    const signer = createSigner([newSecret()])
    const post = createPost({ url, timeoutMs: 15_000, signer: () => signer, sender, clock, version: '0' })
    return {
      id: `e${index}`,
      kind: 'endpoint' as const,
      state: 'active' as const,
      types: null,
      connections: null,
      delivery: { ...DEFAULT_DELIVERY, concurrency: 64, retries: Array.from({ length: 30 }, () => 20) },
      deliver: deliverBy(post, clock),
    }
  })
  const dispatcher = createDispatcher({
    store,
    eventLog,
    clock,
    log: silent,
    metrics: createMetrics(),
    group: 'test',
    destinations: async () => destinations,
    disable: async () => {},
    test: async () => ({ statusCode: null, ms: 0, error: null }),
  })
  for (const { id } of destinations) await store.endpoints.insert(endpointRow({ id }))
  await dispatcher.start()
  const events = eventsOfOrders(
    Array.from({ length: ORDERS }, (_, index) => `o${index}`),
    EVENTS,
  )
  for (let from = 0; from < events.length; from += 500) {
    const page = events.slice(from, from + 500)
    await store.orders.commit(lease, { connection: 'shop', orders: [], events: page, published: true, quarantine: [] })
    await eventLog.append(page)
  }
  await expect.poll(() => arrived, { timeout: 200_000, interval: 100 }).toBe(ORDERS * EVENTS * ENDPOINTS)
  expect(failed).toBeGreaterThan(arrived / 5)
  const inverted = firsts.flatMap((orders, endpoint) =>
    [...orders]
      .filter(([key, ids]) => [...ids].join() !== [1, 2, 3, 4, 5].map(n => `evt_${key.replace('/', '.')}.${n}`).join())
      .map(([key]) => `${key} at endpoint ${endpoint}`),
  )
  expect(inverted).toEqual([])
  await dispatcher.stop(1_000)
  await sender.close()
  for (const receiver of receivers) await receiver.close()
  await eventLog.close()
  await store.close()
  await rm(folder, { recursive: true })
}, 240_000)
