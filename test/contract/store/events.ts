import { describe, expect, test } from 'vitest'
import { EVENT_TYPES } from '../../../schemas/order-event.ts'
import type { EventRecord } from '../../../src/order/event-record.ts'
import type { EventFilter, StoredEvent } from '../../../src/store/port/events.ts'
import { eventRecord, eventsOf } from '../../helpers/event-records.ts'
import { leaseOf, NOW, order, page, remember, type World } from './world.ts'

export function eventContract(world: World): void {
  describe('events', () => {
    const ids = (events: readonly { id: string }[]) => events.map(event => event.id)

    test('an event is read back as it was committed, byte for byte', async () => {
      const event = eventRecord({ orderId: 'ä/🙂', body: '{"a":"\\u0000 ü 🙂 \\ud83d","b":[1.50]}' })
      await remember(world.store, [event])
      await world.reopen()
      const stored = await world.store.events.get(event.id)
      expect(stored).toEqual({ ...event, n: stored?.n })
      expect(await world.store.events.list({}, { limit: 10 })).toEqual([stored])
      expect(await world.store.events.get('evt_unknown')).toBeNull()
    })

    test('n grows in the order committed, through pages and restarts', async () => {
      expect(await world.store.events.last()).toBe(0)
      await remember(world.store, eventsOf('a', 250))
      await world.reopen()
      await remember(world.store, eventsOf('b', 250))
      const events = await world.store.events.list({}, { limit: 1000 })
      expect(ids(events)).toEqual(ids([...eventsOf('a', 250), ...eventsOf('b', 250)]))
      for (const [index, event] of events.entries()) expect(event.n).toBeGreaterThan(events[index - 1]?.n ?? 0)
      expect(await world.store.events.last()).toBe(events.at(-1)?.n)
    })

    test('commits at the same time never show an event behind one that is shown already', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      const seen: StoredEvent[] = []
      let writing = true
      const tail = async () => {
        for (let last = false; !last; ) {
          last = !writing
          const after = seen.at(-1)?.n ?? 0
          seen.push(...(await store.events.list({}, { limit: 1000, after })))
        }
      }
      const write = async (writer: number) => {
        for (let round = 0; round < 10; round++)
          await store.orders.commit(lease, page({ events: eventsOf(`w${writer}-${round}`, 5) }))
      }
      const reader = tail()
      await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)))
      writing = false
      await reader
      expect(new Set(ids(seen)).size).toBe(400)
      expect(seen).toHaveLength(400)
    })

    test('the events of an order come by sequence', async () => {
      await remember(world.store, [
        ...eventsOf('a', 3),
        ...eventsOf('b', 1),
        ...eventsOf('a', 1, { connection: 'other' }),
      ])
      expect(ids(await world.store.events.ofOrder('shop', 'a'))).toEqual(ids(eventsOf('a', 3)))
      expect(await world.store.events.ofOrder('shop', 'unknown')).toEqual([])
    })

    test('every filter, alone and with others, gives what it says, oldest or newest first, page by page', async () => {
      const { store } = world
      const connections = ['shop', 'kk', 'tuya']
      const all = Array.from({ length: 120 }, (_, index) =>
        eventRecord({
          connection: connections[index % 3] ?? '',
          orderId: `o${index % 10}`,
          sequence: index + 1,
          type: EVENT_TYPES[(index * 7) % 5] ?? 'order.paid',
          // Mostly in time order, but not quite.
          observedAt: NOW + index * 1000 - (index % 4) * 5000,
        }),
      )
      await remember(store, all)
      const filters: EventFilter[] = [
        {},
        { types: ['order.paid'] },
        { types: ['order.paid', 'order.refunded', 'order.paid'] },
        { types: [] },
        { connections: ['kk'] },
        { connections: ['kk', 'shop'] },
        { connections: ['unknown'] },
        { connections: ['kk', 'shop'], types: ['order.shipped', 'order.delivered'] },
        { orderId: 'o3' },
        { orderId: 'o3', connections: ['shop'], types: ['order.paid', 'order.cancelled'] },
        { since: NOW + 50_000 },
        { until: NOW + 50_000 },
        { since: NOW + 20_000, until: NOW + 90_000 },
        {
          since: NOW + 20_000,
          until: NOW + 90_000,
          types: ['order.shipped', 'order.paid'],
          connections: ['tuya', 'kk'],
        },
        { since: NOW + 500_000 },
        { until: NOW - 500_000 },
      ]
      for (const filter of filters) {
        const expected = all.filter(
          event =>
            (filter.types?.includes(event.type) ?? true) &&
            (filter.connections?.includes(event.connection) ?? true) &&
            (filter.orderId === undefined || filter.orderId === event.orderId) &&
            (filter.since === undefined || event.observedAt >= filter.since) &&
            (filter.until === undefined || event.observedAt < filter.until),
        )
        expect(await store.events.count(filter)).toBe(expected.length)
        for (const newest of [false, true]) {
          const found: StoredEvent[] = []
          for (;;) {
            const after = found.at(-1)?.n
            const rows = await store.events.list(filter, { limit: 7, newest, ...(after !== undefined && { after }) })
            if (!newest) {
              const places = await store.events.places(filter, { limit: 7, ...(after !== undefined && { after }) })
              expect(places).toEqual(rows.map(({ n, orderKey }) => ({ n, orderKey })))
            }
            expect(rows.length).toBeLessThanOrEqual(7)
            found.push(...rows)
            if (rows.length < 7) break
          }
          expect(ids(found), JSON.stringify({ filter, newest })).toEqual(ids(newest ? expected.toReversed() : expected))
        }
      }
    })

    test('unpublished events of a connection come in publishing order until they are marked', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      await store.orders.commit(lease, page({ events: eventsOf('a', 3), published: false }))
      await store.orders.commit(lease, page({ events: eventsOf('b', 2), published: true }))
      await store.orders.commit(lease, page({ events: eventsOf('c', 1, { connection: 'other' }), published: false }))
      const waiting = await store.events.unpublished('shop', 10)
      expect(ids(waiting)).toEqual(ids(eventsOf('a', 3)))
      expect(await store.events.unpublished('shop', 2)).toEqual(waiting.slice(0, 2))

      await store.events.markPublished(
        lease,
        'shop',
        waiting.slice(0, 2).map(event => event.n),
      )
      await store.events.markPublished(lease, 'shop', [])
      expect(ids(await store.events.unpublished('shop', 10))).toEqual(ids(eventsOf('a', 3).slice(2)))
      const [other] = await store.events.unpublished('other', 10)
      await store.events.markPublished(lease, 'shop', [other?.n ?? 0])
      expect(await store.events.unpublished('other', 10)).toEqual([other])
    })

    test('published events of a span are unpublished again, order by order, in their publishing order', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      const at = (orderId: string, observedAt: number, connection = 'shop') =>
        eventsOf(orderId, 2, { connection, observedAt })
      const given = [at('a', NOW - 30), at('b', NOW - 20), at('c', NOW - 10), at('b', NOW - 20, 'other')]
      for (const events of given) {
        const [{ connection, orderId } = { connection: '', orderId: '' }] = events
        const snapshot = order(orderId, { connection })
        await store.orders.commit(lease, { ...page({ events, published: true }), connection, orders: [snapshot] })
      }
      const unpublish = (after: string, orders: number) =>
        store.events.unpublish({ connection: 'shop', since: NOW - 20, until: NOW, after, orders })
      expect(await unpublish('', 2)).toEqual({ events: 2, last: 'b' })
      expect(ids(await store.events.unpublished('shop', 10))).toEqual(ids(given[1] ?? []))
      expect(await unpublish('b', 2)).toEqual({ events: 2, last: 'c' })
      expect(await unpublish('c', 2)).toEqual({ events: 0, last: null })
      expect(await unpublish('', 5)).toEqual({ events: 0, last: 'c' })
      expect(ids(await store.events.unpublished('shop', 10))).toEqual(ids([...(given[1] ?? []), ...(given[2] ?? [])]))
      expect(await store.events.unpublished('other', 10)).toEqual([])
    })

    test('unpublished events can be read from behind a place in the history, and of some orders only', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      const [a, b, c] = ['a', 'b', 'c'].map(order => eventsOf(order, 2)) as [
        EventRecord[],
        EventRecord[],
        EventRecord[],
      ]
      await store.orders.commit(lease, page({ events: [...a, ...b, ...c], published: false }))
      const all = await store.events.unpublished('shop', 10)
      const after = all[2]?.n ?? 0
      expect(ids(await store.events.unpublished('shop', 10, { after }))).toEqual(ids([...b, ...c].slice(1)))
      expect(ids(await store.events.unpublished('shop', 10, { orderIds: ['c', 'a'] }))).toEqual(ids([...a, ...c]))
      expect(ids(await store.events.unpublished('shop', 1, { after, orderIds: ['c', 'a'] }))).toEqual(
        ids(c.slice(0, 1)),
      )
    })

    test('the body of an event can be replaced until it is published, under the lease only', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      await store.orders.commit(lease, page({ events: eventsOf('a', 2), published: false }))
      const [first, second] = (await store.events.unpublished('shop', 10)) as [StoredEvent, StoredEvent]
      expect(await store.events.replaceUnpublished(lease, first.n, '{"slim":"é"}')).toBe(true)
      await store.events.markPublished(lease, 'shop', [second.n])
      expect(await store.events.replaceUnpublished(lease, second.n, '{}')).toBe(false)
      await expect(
        store.events.replaceUnpublished({ ...lease, epoch: lease.epoch + 1 }, first.n, '{}'),
      ).rejects.toMatchObject({ code: 'store.lease_lost' })
      expect((await store.events.ofOrder('shop', 'a')).map(({ body }) => body)).toEqual(['{"slim":"é"}', second.body])
    })
  })
}
