import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_DELIVERY } from '../../schemas/config.ts'
import type { Destination } from '../../src/dispatch/destination.ts'
import { createDispatcher, type Dispatcher } from '../../src/dispatch/dispatcher.ts'
import { createEmbeddedLog } from '../../src/event-log/embedded.ts'
import type { EventLog } from '../../src/event-log/event-log.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { Lease } from '../../src/store/port/leases.ts'
import type { Store } from '../../src/store/store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { endpointRow } from '../helpers/endpoint-row.ts'
import { eventRecord } from '../helpers/event-records.ts'
import { watchOrder } from '../helpers/seam.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { outcome, silent } from './rig.ts'

/** A new endpoint gets the past first and goes over to the present without a gap or an inversion: with the real store and log. */

const clock = systemClock()
const PAST = Date.parse('2026-01-01T00:00:00Z')

let folder: string
let store: Store
let eventLog: EventLog
let lease: Lease
let dispatcher: Dispatcher | null = null
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'seam-'))
  store = await openTestSqlite({ folder, clock })
  eventLog = createEmbeddedLog({ store, clock })
  const taken = await store.leases.acquire('test', 'test', 600_000, clock.now())
  if (!taken) throw new Error('the lease is free')
  lease = taken
})
afterEach(async () => {
  await dispatcher?.stop(1_000)
  dispatcher = null
  await eventLog.close()
  await store.close()
  await rm(folder, { recursive: true })
})

const endpoint = (id: string) => endpointRow({ id })

/** Publishes the next events of many orders, a page at a time. */
function shop(orders: number) {
  const sequences = new Map<string, number>()
  const published: EventRecord[] = []
  return {
    published,
    async page(size: number, observedAt: number): Promise<void> {
      const events = Array.from({ length: size }, () => {
        const orderId = `o${Math.floor(Math.random() * orders)}`
        const sequence = (sequences.get(orderId) ?? 0) + 1
        sequences.set(orderId, sequence)
        return eventRecord({ orderId, sequence, observedAt })
      })
      await store.orders.commit(lease, { connection: 'shop', orders: [], events, published: true, quarantine: [] })
      await eventLog.append(events)
      published.push(...events)
    },
  }
}

/** The endpoints of the store as destinations that are told of here. */
async function start(deliver: Destination['deliver']): Promise<Dispatcher> {
  const started = createDispatcher({
    store,
    eventLog,
    clock,
    log: silent,
    metrics: createMetrics(),
    group: 'test',
    destinations: async () =>
      (await store.endpoints.list()).map(({ id, state }) => ({
        id,
        kind: 'endpoint',
        state,
        types: null,
        connections: null,
        delivery: { ...DEFAULT_DELIVERY, concurrency: 64, retries: [5, 10, 20, 50, 100, 200] },
        deliver,
      })),
    disable: async () => {},
    test: async () => ({ statusCode: null, ms: 0, error: null }),
  })
  dispatcher = started
  await started.start()
  return started
}

describe('an endpoint made with replaySince', () => {
  test('gets 10,000 past events and those that happen meanwhile, each order in sequence, and no event older than asked for', async () => {
    const { page, published } = shop(1_500)
    await page(500, PAST - 1)
    for (let n = 0; n < 20; n++) await page(500, PAST)
    const watch = watchOrder(event => event.observedAt >= PAST)
    const running = await start(async event => {
      await new Promise(resolve => setImmediate(resolve))
      if (Math.random() < 0.05) return outcome('retry')
      watch.delivered(event)
      return outcome('delivered')
    })
    // The last of the past has not been read when the endpoint is made.
    await expect.poll(() => store.offsets.get('test', 0), { timeout: 60_000 }).toBe(10_500)
    await page(50, PAST)
    expect(await store.endpoints.insert(endpoint('new'), { replaySince: PAST })).toBe(true)
    await running.refresh()
    expect(watch.acknowledged.size).toBe(0)
    for (let n = 0; n < 40; n++) {
      await page(25, PAST + 1 + n)
      await new Promise(resolve => setImmediate(resolve))
    }
    await expect.poll(() => watch.missing(published), { interval: 100 }).toEqual([])
    expect(watch.inversions).toEqual([])
    const old = published.filter(event => event.observedAt < PAST && watch.acknowledged.has(event.id))
    expect(old).toEqual([])
    expect(await store.replays.pending()).toEqual([])
  })

  test('is finished by the next start if the process ended in between', async () => {
    const { page, published } = shop(50)
    await page(400, PAST)
    await store.endpoints.insert(endpoint('new'), { replaySince: PAST })
    // Half of it is in the backlog, as a process left it that ended then.
    await store.lanes.replay('new', { through: 200 }, clock.now())
    const watch = watchOrder()
    await start(async event => {
      watch.delivered(event)
      return outcome('delivered')
    })
    await page(50, PAST)
    await expect.poll(() => watch.missing(published), { timeout: 60_000 }).toEqual([])
    expect(watch.inversions).toEqual([])
    await expect.poll(() => store.replays.pending()).toEqual([])
  })

  test('may be paused meanwhile, and resumed', async () => {
    const { page, published } = shop(20)
    await page(300, PAST)
    const watch = watchOrder()
    const running = await start(async event => {
      watch.delivered(event)
      return outcome('delivered')
    })
    await store.endpoints.insert({ ...endpoint('new'), state: 'paused' }, { replaySince: PAST })
    await running.refresh()
    await page(30, PAST)
    await expect.poll(() => store.replays.pending()).toEqual([])
    expect(watch.acknowledged.size).toBe(0)
    await store.endpoints.update('new', { state: 'active' })
    await running.refresh()
    await expect.poll(() => watch.missing(published)).toEqual([])
    expect(watch.inversions).toEqual([])
  })
})

describe('an endpoint that is removed', () => {
  test.each(['while its past is being queued', 'by another process, of which the dispatcher learns later'] as const)(
    '%s leaves nothing behind',
    async when => {
      const { page } = shop(200)
      await page(5_000, PAST)
      const running = await start(async () => outcome('retry'))
      const past = when === 'while its past is being queued'
      await store.endpoints.insert({ ...endpoint('new'), state: 'paused' }, past ? { replaySince: PAST } : {})
      const told = running.refresh()
      if (past) await expect.poll(async () => (await store.lanes.backlog()).size).toBe(1)
      else await told
      await store.endpoints.remove('new')
      if (!past) {
        // Taken in for an endpoint that is no more, of which the dispatcher does not know yet: there is nothing to put it aside for.
        await page(100, PAST)
        await expect.poll(() => store.offsets.get('test', 0)).toBe(5_100)
        expect([...(await store.lanes.backlog()).keys()]).toEqual([])
      }
      await running.refresh()
      await expect.poll(async () => [...(await store.lanes.backlog()).keys()]).toEqual([])
      await page(10, PAST)
      await expect.poll(() => store.offsets.get('test', 0)).toBe(past ? 5_010 : 5_110)
      expect([...(await store.lanes.counts()).keys()]).toEqual([])
      expect(await store.replays.pending()).toEqual([])
    },
  )
})

describe('a replay', () => {
  test('of later events never overtakes earlier ones that are still to be read from the log', async () => {
    await store.endpoints.insert(endpoint('hook'))
    const watch = watchOrder()
    const held = Promise.withResolvers<void>()
    // The dispatcher is kept from reading: its first batch is not taken in before the replay is asked for.
    const consume = eventLog.consume
    eventLog.consume = consumer =>
      consume({
        ...consumer,
        onBatch: async (partition, entries) => {
          await held.promise
          return consumer.onBatch(partition, entries)
        },
      })
    const running = await start(async event => {
      watch.delivered(event)
      return outcome('delivered')
    })
    const events = Array.from({ length: 40 }, (_, index) =>
      eventRecord({
        orderId: `o${Math.floor(index / 2)}`,
        sequence: (index % 2) + 1,
        type: index % 2 === 0 ? 'order.paid' : 'order.shipped',
      }),
    )
    await store.orders.commit(lease, { connection: 'shop', orders: [], events, published: true, quarantine: [] })
    await eventLog.append(events)
    expect(await running.replay('hook', { types: ['order.shipped'] })).toBe(20)
    // Time enough to do it too early.
    for (let turn = 0; turn < 300; turn++) await new Promise(resolve => setTimeout(resolve, 1))
    expect(watch.acknowledged.size).toBe(0)
    held.resolve()
    await expect.poll(() => watch.missing(events)).toEqual([])
    await expect.poll(() => store.replays.pending()).toEqual([])
    expect(watch.inversions).toEqual([])
  })
})
