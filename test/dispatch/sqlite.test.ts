import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_DELIVERY, type Delivery } from '../../schemas/config.ts'
import type { Destination, Outcome } from '../../src/dispatch/destination.ts'
import { createDispatcher, type Dispatcher } from '../../src/dispatch/dispatcher.ts'
import { createEmbeddedLog } from '../../src/event-log/embedded.ts'
import type { EventLog } from '../../src/event-log/event-log.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { Lease } from '../../src/store/port/leases.ts'
import type { Store } from '../../src/store/store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { event, eventsOfOrders, outcome, silent } from './rig.ts'

const clock = systemClock()
const metrics = createMetrics()

let folder: string
let store: Store
let eventLog: EventLog
let lease: Lease
let dispatcher: Dispatcher | null
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dispatch-'))
  dispatcher = null
  await open()
})
afterEach(async () => {
  await close()
  await rm(folder, { recursive: true })
})

async function open(): Promise<void> {
  store = await openTestSqlite({ folder, clock })
  eventLog = createEmbeddedLog({ store, clock })
  const taken = await store.leases.acquire('test', 'test', 600_000, clock.now())
  if (!taken) throw new Error('the lease is free')
  lease = taken
}

async function close(): Promise<void> {
  await dispatcher?.stop(0)
  dispatcher = null
  await eventLog.close()
  await store.close()
}

async function publish(events: readonly EventRecord[]): Promise<void> {
  const page = { connection: 'shop', orders: [], events, published: true, quarantine: [] }
  await store.orders.commit(lease, page)
  await eventLog.append(events)
}

type Sent = { id: string; order: string; sequence: number; attempt: number; replay: boolean }
const sent: Sent[] = []
beforeEach(() => {
  sent.length = 0
})

function destination(
  id: string,
  answer: (sent: Sent) => Outcome | Promise<Outcome>,
  delivery: Partial<Delivery> = {},
): Destination {
  return {
    id,
    kind: 'handler',
    state: 'active',
    types: null,
    connections: null,
    delivery: { ...DEFAULT_DELIVERY, retries: [10, 10, 10, 10], ...delivery },
    async deliver({ orderId, sequence }, { attempt, replay }) {
      const one = { id, order: orderId, sequence, attempt, replay }
      sent.push(one)
      return answer(one)
    },
  }
}

async function start(...destinations: Destination[]): Promise<Dispatcher> {
  dispatcher = createDispatcher({
    store,
    eventLog,
    clock,
    log: silent,
    metrics,
    group: 'test',
    destinations: async () => destinations,
    disable: async () => {},
    test: async () => ({ statusCode: null, ms: 0, error: null }),
  })
  await dispatcher.start()
  return dispatcher
}

/** Everything is read, and nothing waits. */
const quiet = async () =>
  expect
    .poll(async () => [await store.offsets.get('test', 0), [...(await store.lanes.counts())]], { timeout: 20_000 })
    .toEqual([await store.events.last(), []])
const sequences = (id: string, order: string) =>
  sent.filter(one => one.id === id && one.order === order).map(one => one.sequence)

describe('with the embedded store and log', () => {
  test('everything is delivered in order through failures, and recorded', async () => {
    let n = 0
    await start(destination('flaky', () => outcome(++n % 3 === 0 ? 'retry' : 'delivered')))
    const orders = Array.from({ length: 40 }, (_, index) => `o${index}`)
    await publish(eventsOfOrders(orders, 5))
    await quiet()
    for (const order of orders) {
      const firsts = [...new Set(sequences('flaky', order))]
      expect(firsts).toEqual([1, 2, 3, 4, 5])
    }
    await expect
      .poll(async () => (await store.deliveries.list({ destination: 'flaky' }, { limit: 250 })).data.length)
      .toBe(200)
  })

  test('a restart goes on where it stopped, with the backlog first come first', async () => {
    let up = false
    const hook = () => destination('hook', () => outcome(up ? 'delivered' : 'retry'), { retries: [30_000, 30_000] })
    await start(hook())
    await publish(eventsOfOrders(['a', 'b'], 3))
    await expect.poll(() => store.lanes.counts()).toEqual(new Map([['hook', 2]]))
    await close()
    await open()
    up = true
    sent.length = 0
    const again = await start(hook())
    await store.lanes.makeDue('hook', clock.now())
    again.wake()
    await publish([event('a', 4)])
    await quiet()
    expect(sequences('hook', 'a')).toEqual([1, 2, 3, 4])
    expect(sequences('hook', 'b')).toEqual([1, 2, 3])
    expect(sent.find(one => one.order === 'b' && one.sequence === 1)?.attempt).toBe(2)
  })

  test('dead letters hold their order until they are redriven', async () => {
    let fixed = false
    const started = await start(
      destination('hook', one => outcome(one.order === 'a' && one.sequence === 1 && !fixed ? 'retry' : 'delivered'), {
        retries: [],
        onExhausted: 'hold',
      }),
    )
    await publish(eventsOfOrders(['a', 'b'], 3))
    await expect.poll(async () => (await store.deadLetters.counts()).get('hook')).toBe(1)
    await expect.poll(() => sequences('hook', 'b')).toEqual([1, 2, 3])
    expect(sequences('hook', 'a')).toEqual([1])
    fixed = true
    expect(await store.deadLetters.redrive({ destination: 'hook' }, clock.now())).toBe(1)
    started.wake()
    await quiet()
    expect(sequences('hook', 'a')).toEqual([1, 1, 2, 3])
    expect(await store.deadLetters.counts()).toEqual(new Map())
  })

  test('a replay comes in order, marked as one', async () => {
    const started = await start(destination('hook', () => outcome('delivered')))
    await publish(eventsOfOrders(['a', 'b', 'c'], 4))
    await quiet()
    sent.length = 0
    expect(await started.replay('hook', { orderId: 'b' })).toBe(4)
    await expect.poll(() => sent.length).toBe(4)
    expect(sent.map(({ order, sequence, replay }) => ({ order, sequence, replay }))).toEqual(
      [1, 2, 3, 4].map(sequence => ({ order: 'b', sequence, replay: true })),
    )
    await quiet()
  })

  test('what is too much for memory goes through the store and comes out in order', async () => {
    const turn = () => new Promise(resolve => setImmediate(resolve))
    await start(
      destination(
        'slow',
        async () => {
          await turn()
          return outcome('delivered')
        },
        { concurrency: 2 },
      ),
      destination('quick', () => outcome('delivered')),
    )
    const orders = Array.from({ length: 1_500 }, (_, index) => `o${index}`)
    await publish(eventsOfOrders(orders, 3))
    await quiet()
    for (const order of orders) expect(sequences('slow', order)).toEqual([1, 2, 3])
  })
})
