import { describe, expect, test } from 'vitest'
import { type EventLog, PartlyRefused, type Refusal, TOO_LARGE } from '../../src/event-log/event-log.ts'
import type { HeldLease } from '../../src/ingest/lease.ts'
import { createOutbox } from '../../src/ingest/outbox.ts'
import { createTroubles } from '../../src/ingest/troubles.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { EventStore } from '../../src/store/port/events.ts'
import type { Lease } from '../../src/store/port/leases.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { order } from '../contract/store/world.ts'
import { eventRecord, eventsOf } from '../helpers/event-records.ts'
import { type MemoryClock, memoryClock } from '../helpers/memory-clock.ts'
import { quietLog } from '../helpers/quiet.ts'
import { newStoreForEachTest, store } from './scene.ts'

newStoreForEachTest()

/** A log of 4 partitions that refuses what a test says; the partition of an order is the last digit of its id. */
function refusingLog() {
  const control = {
    written: [] as EventRecord[],
    calls: [] as number[],
    partitions: new Set<number>(),
    largest: Number.POSITIVE_INFINITY,
    told: true,
    down: null as AppError | null,
    /** Before the answer. */
    slow: null as Promise<void> | null,
  }
  const partitionOf = (orderKey: string) => Number(orderKey.at(-1)) % 4
  const isLarge = ({ body }: EventRecord) => Buffer.byteLength(body) > control.largest
  const log: EventLog = {
    commitPublishes: false,
    ownsAllPartitions: false,
    partitions: 4,
    partitionOf,
    notice: () => null,
    contradiction: async () => null,
    fits: event => !control.told || !isLarge(event),
    append: async events => {
      control.calls.push(events.length)
      await control.slow
      if (control.down) throw control.down
      const refusals: Refusal[] = []
      const behind = new Map<string, AppError>()
      for (const event of events) {
        const partition = partitionOf(event.orderKey)
        const held = behind.get(event.orderKey)
        if (control.partitions.has(partition))
          refusals.push({ event, error: failure('kafka.busy', `no replicas for ${partition}`), partition })
        else if (held) refusals.push({ event, error: held, partition: null })
        else if (isLarge(event)) {
          const error = failure(TOO_LARGE, `${event.id} is too large`)
          behind.set(event.orderKey, error)
          refusals.push({ event, error, partition: null })
        } else control.written.push(event)
      }
      if (refusals.length > 0) throw new PartlyRefused(refusals)
    },
    consume: () => Promise.reject(new Error('not consumed here')),
    health: () => null,
    check: async () => 'memory',
    close: async () => {},
  }
  return { log, control }
}

const failure = (code: string, message: string, intent: 'retry' | 'stop' = 'retry') =>
  new AppError(message, { code, intent })
const ids = (events: readonly EventRecord[]) => events.map(({ id }) => id)
const ofOrder = (events: readonly EventRecord[], orderId: string) =>
  events.filter(event => event.orderId === orderId).map(({ sequence }) => sequence)
const waiting = async () => ids(await store.events.unpublished('shop', 20_000))

async function commit(lease: Lease, events: readonly EventRecord[]) {
  await store.orders.commit(lease, { connection: 'shop', orders: [], events, published: false, quarantine: [] })
}

/** An outbox of `shop` on its own clock; runs until `end`. */
async function publishing(eventLog: EventLog, events: Partial<EventStore> = {}) {
  const clock: MemoryClock = memoryClock()
  await store.connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
  const lease = await store.leases.acquire('connection/shop', 'one', 600_000, Date.now())
  if (!lease) throw new Error('no lease')
  const ended = new AbortController()
  const losses: unknown[] = []
  const held: HeldLease = {
    lease,
    signal: ended.signal,
    isFresh: () => true,
    assertFresh: () => {},
    lost: cause => {
      losses.push(cause)
      ended.abort()
    },
  }
  const metrics = createMetrics()
  const troubles = createTroubles({ connection: 'shop', connections: store.connections, log: quietLog, metrics })
  troubles.under(lease)
  const publisher = createOutbox({
    ...{ connection: 'shop', eventLog, held, clock, log: quietLog },
    store: { ...store, events: { ...store.events, ...events } },
    report: ({ failing, refused }) => {
      troubles.report('publish', failing)
      troubles.report('refused', refused)
    },
  })
  return {
    ...{ clock, lease, losses, publisher, troubles, metrics },
    row: async () => await store.connections.get('shop'),
    start() {
      const running = publisher.run()
      return async () => {
        ended.abort()
        await running
      }
    },
  }
}

describe('what the log refuses', () => {
  test.each([
    ['and nothing is held back', false],
    ['while another order is held back', true],
  ])('events that another process made unpublished again go before new ones of their order, %s', async (_, held) => {
    const { log, control } = refusingLog()
    const one = await publishing(log)
    const [first, second, third] = eventsOf('o-1', 3) as [EventRecord, EventRecord, EventRecord]
    const page = {
      connection: 'shop',
      orders: [order('o-1', { connection: 'shop' })],
      published: false,
      quarantine: [],
    }
    if (held) control.partitions.add(2)
    await store.orders.commit(one.lease, { ...page, events: [first, second, ...eventsOf('o-2', 1)] })
    const end = one.start()
    await one.clock.until(() => ofOrder(control.written, 'o-1').length === 2)
    await one.clock.flush()
    await store.events.unpublish({ connection: 'shop', since: 0, after: '', orders: 10 })
    await commit(one.lease, [third])
    one.publisher.kick()
    await one.clock.until(() => ofOrder(control.written, 'o-1').length === 5, 20_000)
    expect(ofOrder(control.written, 'o-1')).toEqual([1, 2, 1, 2, 3])
    await end()
  })

  test('is followed by the events of its order that came while it was tried again', async () => {
    const { log, control } = refusingLog()
    const one = await publishing(log)
    const [first, second, third] = eventsOf('o-1', 3) as [EventRecord, EventRecord, EventRecord]
    control.partitions.add(1)
    await commit(one.lease, [first])
    const end = one.start()
    await one.clock.until(() => control.calls.length === 1)
    control.partitions.clear()
    const { promise, resolve } = Promise.withResolvers<void>()
    control.slow = promise
    await one.clock.until(() => control.calls.length === 2, 20_000)
    await commit(one.lease, [second])
    one.publisher.kick()
    await one.clock.flush()
    control.slow = null
    resolve()
    await one.clock.until(() => control.written.length >= 1)
    await commit(one.lease, [third])
    one.publisher.kick()
    await one.clock.until(async () => (await waiting()).length === 0, 60_000)
    expect(ofOrder(control.written, 'o-1')).toEqual([1, 2, 3])
    await end()
  })

  test('waits behind earlier events of its order that are published again meanwhile', async () => {
    const { log, control } = refusingLog()
    const one = await publishing(log)
    const events = eventsOf('o-1', 3)
    const page = {
      connection: 'shop',
      orders: [order('o-1', { connection: 'shop' })],
      published: false,
      quarantine: [],
    }
    await store.orders.commit(one.lease, { ...page, events: events.slice(0, 1) })
    const end = one.start()
    await one.clock.until(() => control.written.length === 1)
    control.partitions.add(1)
    await commit(one.lease, events.slice(1))
    one.publisher.kick()
    await one.clock.until(() => control.calls.length >= 2)
    await store.events.unpublish({ connection: 'shop', since: 0, after: '', orders: 10 })
    one.publisher.lookBehind()
    await one.clock.advance(20_000)
    control.partitions.clear()
    await one.clock.until(async () => (await waiting()).length === 0, 60_000)
    expect(ofOrder(control.written, 'o-1')).toEqual([1, 1, 2, 3])
    await end()
  })

  test('in one partition holds back the orders of that partition only, and nothing else is sent twice', async () => {
    const { log, control } = refusingLog()
    const one = await publishing(log)
    await commit(
      one.lease,
      ['o-0', 'o-1', 'o-2', 'o-3'].flatMap(order => eventsOf(order, 3)),
    )
    control.partitions.add(2)
    const end = one.start()
    await one.clock.until(() => control.written.length === 9)
    await one.clock.advance(120_000)
    expect(control.written).toHaveLength(9)
    expect(new Set(ids(control.written)).size).toBe(9)
    expect(await waiting()).toEqual(ids(eventsOf('o-2', 3)))
    // Events that come meanwhile are published too.
    await commit(one.lease, [...eventsOf('o-2', 4).slice(3), ...eventsOf('o-3', 4).slice(3)])
    one.publisher.kick()
    await one.clock.until(() => ofOrder(control.written, 'o-3').length === 4)
    control.partitions.clear()
    await one.clock.until(async () => (await waiting()).length === 0, 60_000)
    expect(ofOrder(control.written, 'o-2')).toEqual([1, 2, 3, 4])
    expect(control.written).toHaveLength(14)
    await end()
  })

  test('permanently is one order, which is shown, and published in sequence once the log takes it', async () => {
    const { log, control } = refusingLog()
    control.largest = 2_000
    control.told = false
    const one = await publishing(log)
    const large = eventRecord({
      orderId: 'o-1',
      sequence: 2,
      body: JSON.stringify({ data: { note: 'x'.repeat(3_000) } }),
    })
    const [first, , third] = eventsOf('o-1', 3) as [EventRecord, EventRecord, EventRecord]
    await commit(one.lease, [first, large, third, ...eventsOf('o-5', 2)])
    const end = one.start()
    await one.clock.until(() => control.written.length === 3)
    await one.clock.advance(60_000)
    expect(ids(control.written).sort()).toEqual(ids([first, ...eventsOf('o-5', 2)]).sort())
    expect(await one.row()).toMatchObject({
      state: 'failing',
      lastError: expect.stringContaining('Order o-1 waits'),
      refused: expect.stringMatching(/^Order o-1 waits/),
    })
    const shown = async () => (await one.metrics.connectionTrouble.get()).values.filter(({ value }) => value === 1)
    expect(await shown()).toMatchObject([{ labels: { connection: 'shop', loop: 'refused' } }])
    control.largest = Number.POSITIVE_INFINITY
    await one.clock.until(async () => (await waiting()).length === 0, 60_000)
    expect(ofOrder(control.written, 'o-1')).toEqual([1, 2, 3])
    await one.clock.until(() => one.troubles.sentence() === null)
    expect(await shown()).toEqual([])
    await end()
  })

  test('for its size is tried again when the store fails just as the event is to lose its lines', async () => {
    const { log, control } = refusingLog()
    control.largest = 2_000
    control.told = false
    let failures = 1
    const one = await publishing(log, {
      replaceUnpublished: async (...args) => {
        if (failures-- > 0) throw failure('store.unavailable', 'the store is away')
        return await store.events.replaceUnpublished(...args)
      },
    })
    const lines = Array.from({ length: 40 }, (_, n) => ({ id: `l-${n}`, title: '大きな注文'.repeat(10) }))
    const body = JSON.stringify({ data: { order: { lines } } })
    const end = one.start()
    // Both loops wait by now.
    await one.clock.advance(60_000)
    await commit(one.lease, [eventRecord({ orderId: 'o-1', body }), ...eventsOf('o-1', 2).slice(1)])
    one.publisher.kick()
    await one.clock.until(async () => (await waiting()).length === 0, 60_000)
    expect(ofOrder(control.written, 'o-1')).toEqual([1, 2])
    await end()
  })

  test.each(['known beforehand', 'learned from the refusal'])(
    'for its size, %s, is published without its lines, with the same bytes in the store',
    async how => {
      const { log, control } = refusingLog()
      control.largest = 2_000
      control.told = how === 'known beforehand'
      const lines = Array.from({ length: 40 }, (_, n) => ({ id: `l-${n}`, title: '大きな注文'.repeat(10) }))
      const own = { orderId: 'o-1', order: { currency: 'JPY', lines }, shipment: { packageId: 'p', lines } }
      const one = await publishing(log)
      const large = eventRecord({ orderId: 'o-1', body: JSON.stringify({ id: 'e', data: own }) })
      await commit(one.lease, [large, ...eventsOf('o-1', 2).slice(1)])
      const end = one.start()
      await one.clock.until(async () => (await waiting()).length === 0)
      expect(ofOrder(control.written, 'o-1')).toEqual([1, 2])
      const [slim] = control.written
      expect(JSON.parse(slim?.body ?? '')).toEqual({
        id: 'e',
        data: { orderId: 'o-1', order: { currency: 'JPY', lines: [] }, shipment: { packageId: 'p', lines: [] } },
      })
      expect((await store.events.get(large.id))?.body).toBe(slim?.body)
      expect(one.troubles.sentence()).toBeNull()
      await end()
    },
  )

  test('does not delay other events, even with 10,000 of them at the head, and is read again only when due', async () => {
    const { log, control } = refusingLog()
    const one = await publishing(log)
    control.partitions.add(2)
    for (let page = 0; page < 10; page++)
      await commit(
        one.lease,
        Array.from({ length: 1_000 }, (_, n) => eventRecord({ orderId: `o-${page * 1_000 + n}-2` })),
      )
    await commit(one.lease, eventsOf('o-1', 2))
    const end = one.start()
    await one.clock.until(() => ofOrder(control.written, 'o-1').length === 2, 5_000)
    const before = control.calls.length
    await one.clock.advance(60_000)
    // A few tries a minute, each of one batch.
    expect(control.calls.length - before).toBeLessThan(10)
    control.partitions.clear()
    await one.clock.until(async () => (await waiting()).length === 0, 60_000)
    expect(control.written).toHaveLength(10_002)
    await end()
  })

  test('a log that refuses our credentials costs no lease, is shown, and is tried until it accepts them', async () => {
    const { log, control } = refusingLog()
    const one = await publishing(log)
    await commit(one.lease, eventsOf('o-1', 2))
    control.down = failure('kafka.sasl', 'Kafka refused the user name or password.', 'stop')
    const end = one.start()
    await one.clock.until(() => control.calls.length > 3, 60_000)
    expect(one.losses).toEqual([])
    expect(await one.row()).toMatchObject({
      state: 'failing',
      lastError: 'Publishing: Kafka refused the user name or password.',
    })
    control.down = null
    await one.clock.until(async () => (await waiting()).length === 0, 60_000)
    expect(ofOrder(control.written, 'o-1')).toEqual([1, 2])
    expect(one.troubles.sentence()).toBeNull()
    await end()
  })
})
