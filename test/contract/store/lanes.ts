import { describe, expect, test } from 'vitest'
import { keyHash } from '../../../src/lib/murmur2.ts'
import { LEASE_LOST, type Lease } from '../../../src/store/port/leases.ts'
import { endpointRow } from '../../helpers/endpoint-row.ts'
import { eventRecord, eventsOf } from '../../helpers/event-records.ts'
import { backlogOf, dueLanes, leaseOf, NOW, order, page, remember, spilled, type World, wait } from './world.ts'

/** When lanes exist, and when they are due. */
export function laneContract(world: World): void {
  describe('lanes', () => {
    const key = (orderId: string) => `shop/${orderId}`

    test('a spill makes the lane with the time and attempts given, and remembers the events in sequence', async () => {
      const { store } = world
      const events = eventsOf('a', 3)
      await remember(store, events)
      await store.lanes.spill(spilled('billing', events.toReversed()), { nextAt: NOW + 5, attempt: 2 })
      expect(await dueLanes(store, 'billing', NOW + 4)).toEqual([])
      expect(await dueLanes(store, 'billing', NOW + 5)).toEqual([
        { destination: 'billing', orderKey: key('a'), nextAt: NOW + 5, attempt: 2, held: false },
      ])
      expect(await store.lanes.head('billing', key('a'), 10)).toEqual(
        events.map(event => ({ ...event, origin: 'live' })),
      )
      expect(await store.lanes.head('billing', key('a'), 2)).toHaveLength(2)
    })

    test('one spill may fill many lanes of many destinations', async () => {
      const { store } = world
      const events = ['a', 'b'].flatMap(orderId => eventsOf(orderId, 2))
      await remember(store, events)
      await store.lanes.spill([...spilled('billing', events), ...spilled('search', events)], {
        nextAt: NOW,
        attempt: 0,
      })
      expect(await store.lanes.counts()).toEqual(
        new Map([
          ['billing', 2],
          ['search', 2],
        ]),
      )
      expect(await backlogOf(store, 'search', key('b'))).toHaveLength(2)
    })

    test('an existing lane keeps its time and attempts, but for the one whose head was tried', async () => {
      const { store } = world
      const [a, b] = [eventsOf('a', 2), eventsOf('b', 2)]
      await remember(store, [...a, ...b])
      await store.lanes.spill(spilled('billing', [...a.slice(0, 1), ...b.slice(0, 1)]), { nextAt: NOW, attempt: 0 })
      await store.lanes.spill(
        spilled('billing', [...a, ...b]),
        { nextAt: NOW + 50, attempt: 3 },
        { retry: { destination: 'billing', orderKey: key('a') } },
      )
      expect(
        (await dueLanes(store, 'billing', NOW + 50)).map(lane => [lane.orderKey, lane.nextAt, lane.attempt]),
      ).toEqual([
        [key('b'), NOW, 0],
        [key('a'), NOW + 50, 3],
      ])
    })

    test('an event that waits already is not queued twice, and keeps its origin', async () => {
      const { store } = world
      const events = eventsOf('a', 2)
      await wait(store, 'billing', events)
      await store.lanes.spill(spilled('billing', events, { origin: 'replay' }), { nextAt: NOW, attempt: 0 })
      expect((await store.lanes.head('billing', key('a'), 10)).map(event => [event.sequence, event.origin])).toEqual([
        [1, 'live'],
        [2, 'live'],
      ])
    })

    test('spilling nothing leaves no lane', async () => {
      const { store } = world
      await store.lanes.spill([], { nextAt: NOW, attempt: 0 })
      expect(await store.lanes.counts()).toEqual(new Map())
    })

    test('spilling an event that retention has removed, but Kafka still held, puts it back into the history', async () => {
      const { store } = world
      const [kept, removed] = [eventRecord({ orderId: 'kept' }), eventRecord({ orderId: 'removed' })]
      await remember(store, [kept])
      const rows = [...spilled('billing', [kept, removed]), ...spilled('search', [removed])]
      await store.lanes.spill(rows, { nextAt: NOW, attempt: 0 })
      expect(await backlogOf(store, 'billing', key('removed'))).toEqual([removed.id])
      expect(await backlogOf(store, 'search', key('removed'))).toEqual([removed.id])
      expect(await store.events.get(removed.id)).toMatchObject({ body: removed.body, sequence: removed.sequence })
      expect(await store.events.unpublished('shop', 10)).toEqual([])
    })

    test('an order of a store that went back is derived anew, though a spill has put its lost events back', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      const state = (sequence: number) => ({ ...order('a').state, sequence })
      const before = eventRecord({ orderId: 'a', sequence: 1, id: 'evt_paid' })
      await store.orders.commit(lease, page({ orders: [order('a', { state: state(1) })], events: [before] }))
      // The log still has what a standby that was behind never got.
      const lost = [2, 3].map(sequence => eventRecord({ orderId: 'a', sequence, id: `evt_lost${sequence}` }))
      await store.lanes.spill(spilled('billing', [before, ...lost]), { nextAt: NOW, attempt: 0 })
      await store.lanes.spill(spilled('search', lost), { nextAt: NOW, attempt: 0 })

      const anew = [eventRecord({ orderId: 'a', sequence: 2, id: 'evt_lost3' })]
      await store.orders.commit(
        lease,
        page({ orders: [order('a', { state: state(2) })], events: anew, published: false }),
      )
      expect((await store.events.unpublished('shop', 10)).map(({ id, sequence }) => [id, sequence])).toEqual([
        ['evt_lost3', 2],
      ])
      expect(await store.events.get('evt_lost2')).toBeNull()
      expect(await backlogOf(store, 'billing', key('a'))).toEqual(['evt_paid'])
      expect(await store.lanes.counts()).toEqual(new Map([['billing', 1]]))

      // The place of the other lost event is taken now: it waits until its fact is derived again.
      await store.lanes.spill(spilled('search', lost), { nextAt: NOW, attempt: 0 })
      expect(await backlogOf(store, 'search', key('a'))).not.toContain('evt_lost2')
    })

    test('an endpoint that was removed gets neither backlog rows nor dead letters', async () => {
      const { store } = world
      await store.endpoints.insert(endpointRow({ id: 'there' }))
      const events = eventsOf('a', 2)
      await remember(store, events)
      const rows = ['there', 'gone'].flatMap(id => spilled(id, events, { endpoint: true }))
      await store.lanes.spill([...rows, ...spilled('handler', events)], { nextAt: NOW, attempt: 0 })
      expect([...(await store.lanes.counts()).keys()].sort()).toEqual(['handler', 'there'])
      const [{ id: eventId } = { id: '' }] = events
      const letter = { orderKey: key('a'), eventId, at: NOW, attempts: 3, lastError: 'no', endpoint: true }
      for (const hold of [true, false]) {
        expect(await store.lanes.deadLetter({ ...letter, destination: 'gone', hold })).toBe(true)
        expect(await store.lanes.deadLetter({ ...letter, destination: 'there', hold })).toBe(false)
      }
      expect([...(await store.deadLetters.counts()).keys()]).toEqual(['there'])
      await store.endpoints.remove('there')
      await store.lanes.spill(spilled('there', events, { endpoint: true }), { nextAt: NOW, attempt: 0 })
      expect([...(await store.lanes.counts()).keys()]).toEqual(['handler'])
    })

    test('existing names the lanes there are among those asked for', async () => {
      const { store } = world
      await wait(store, 'billing', [...eventsOf('a', 1), ...eventsOf('b', 1)])
      expect(await store.lanes.existing('billing', [key('a'), key('c')])).toEqual(new Set([key('a')]))
      expect(await store.lanes.existing('search', [key('a')])).toEqual(new Set())
      expect(await store.lanes.existing('billing', [])).toEqual(new Set())
    })

    test('due gives the earliest first, leaves out what is worked on, and no more than asked for', async () => {
      const { store } = world
      const orders = ['a', 'b', 'c', 'd']
      await remember(
        store,
        orders.flatMap(orderId => eventsOf(orderId, 1)),
      )
      for (const [index, orderId] of orders.entries())
        await store.lanes.spill(spilled('billing', eventsOf(orderId, 1)), { nextAt: NOW - index, attempt: 0 })
      const keys = async (limit: number, skip: string[]) => {
        const rows = await store.lanes.due({
          destination: 'billing',
          now: NOW,
          limit,
          owned: null,
          skip: new Set(skip),
        })
        return rows.map(lane => lane.orderKey)
      }
      expect(await keys(10, [])).toEqual(['d', 'c', 'b', 'a'].map(key))
      expect(await keys(2, [])).toEqual(['d', 'c'].map(key))
      expect(await keys(2, [key('d'), key('b')])).toEqual(['c', 'a'].map(key))
    })

    test('due gives only lanes of the partitions owned, spread as Kafka spreads keys', async () => {
      const { store } = world
      const orders = Array.from({ length: 60 }, (_, index) => `o${index}`)
      await wait(
        store,
        'billing',
        orders.flatMap(orderId => eventsOf(orderId, 1)),
      )
      const owned = { partitions: 12, of: new Set([1, 5, 7]) }
      const rows = await store.lanes.due({ destination: 'billing', now: NOW, limit: 100, owned, skip: new Set() })
      const expected = orders.map(key).filter(orderKey => owned.of.has(keyHash(orderKey) % 12))
      expect(rows.map(lane => lane.orderKey).sort()).toEqual(expected.sort())
      expect(expected.length).toBeGreaterThan(0)
      const none = { partitions: 12, of: new Set<number>() }
      expect(
        await store.lanes.due({ destination: 'billing', now: NOW, limit: 100, owned: none, skip: new Set() }),
      ).toEqual([])
    })

    test('nextDueOfEach gives the next time of each destination that has one', async () => {
      const { store } = world
      await remember(store, [...eventsOf('a', 1), ...eventsOf('b', 1), ...eventsOf('c', 1)])
      const put = (destination: string, orderId: string, nextAt: number) =>
        store.lanes.spill(spilled(destination, eventsOf(orderId, 1)), { nextAt, attempt: 0 })
      await put('billing', 'a', NOW + 9)
      await put('billing', 'b', NOW + 7)
      await put('search', 'c', NOW + 3)
      expect(await store.lanes.nextDueOfEach(['billing', 'none'])).toEqual(new Map([['billing', NOW + 7]]))
      expect([...(await store.lanes.nextDueOfEach(['billing', 'search'])).keys()].sort()).toEqual(['billing', 'search'])
      expect(await store.lanes.nextDueOfEach([])).toEqual(new Map())
    })

    test('nextDue is the earliest of the destinations asked for', async () => {
      const { store } = world
      await remember(store, [...eventsOf('a', 1), ...eventsOf('b', 1)])
      await store.lanes.spill(spilled('billing', eventsOf('a', 1)), { nextAt: NOW + 9, attempt: 0 })
      await store.lanes.spill(spilled('billing', eventsOf('b', 1)), { nextAt: NOW + 7, attempt: 0 })
      await store.lanes.spill(spilled('search', eventsOf('b', 1)), { nextAt: NOW + 3, attempt: 0 })
      expect(await store.lanes.nextDue(['billing'])).toBe(NOW + 7)
      expect(await store.lanes.nextDue(['billing', 'search', 'none'])).toBe(NOW + 3)
      expect(await store.lanes.nextDue(['none'])).toBeNull()
      expect(await store.lanes.nextDue([])).toBeNull()
    })

    test('reschedule sets time and attempts of lanes that are there', async () => {
      const { store } = world
      await wait(store, 'billing', [...eventsOf('a', 1), ...eventsOf('b', 1)])
      const lanes = await dueLanes(store, 'billing')
      await store.lanes.reschedule([
        ...lanes.map((lane, index) => ({ ...lane, nextAt: NOW + 10 + index, attempt: index + 1 })),
        { destination: 'billing', orderKey: key('none'), nextAt: NOW, attempt: 1, held: false },
      ])
      await store.lanes.reschedule([])
      expect(await dueLanes(store, 'billing', NOW + 9)).toEqual([])
      expect((await dueLanes(store, 'billing', NOW + 20)).map(lane => [lane.nextAt, lane.attempt])).toEqual([
        [NOW + 10, 1],
        [NOW + 11, 2],
      ])
    })

    test('nothing is put into it under a lease that is lost', async () => {
      const { store } = world
      const events = eventsOf('a', 2)
      await remember(store, events)
      const [kept, lost] = [await store.leases.takeOver('0', 'us'), await store.leases.takeOver('1', 'us')]
      const spill = (leases: readonly Lease[]) =>
        store.lanes.spill(spilled('billing', events), { nextAt: NOW, attempt: 0 }, { leases })
      const theirs = await store.leases.takeOver('1', 'them')
      await expect(spill([kept, lost])).rejects.toMatchObject({ code: LEASE_LOST })
      expect(await dueLanes(store, 'billing')).toEqual([])
      await spill([kept, theirs])
      expect(await backlogOf(store, 'billing', key('a'))).toEqual(events.map(({ id }) => id))
    })

    test('times with fractions lose them', async () => {
      const { store } = world
      await remember(store, eventsOf('a', 1))
      const retry = { destination: 'billing', orderKey: key('a') }
      await store.lanes.spill(spilled('billing', eventsOf('a', 1)), { nextAt: NOW + 0.4, attempt: 1 }, { retry })
      const [lane] = await dueLanes(store, 'billing', NOW + 0.4)
      expect(lane?.nextAt).toBe(NOW)
      await store.lanes.reschedule([{ ...retry, nextAt: NOW + 7.6, attempt: 2, held: false }])
      expect(await store.lanes.nextDue(['billing'])).toBe(NOW + 8)
    })

    test('makeDue makes waiting lanes of one destination due and keeps their attempts', async () => {
      const { store } = world
      await remember(
        store,
        ['a', 'b', 'c'].flatMap(orderId => eventsOf(orderId, 1)),
      )
      await store.lanes.spill(spilled('billing', eventsOf('a', 1)), { nextAt: NOW + 500, attempt: 4 })
      await store.lanes.spill(spilled('billing', eventsOf('b', 1)), { nextAt: NOW - 500, attempt: 1 })
      await store.lanes.spill(spilled('search', eventsOf('c', 1)), { nextAt: NOW + 500, attempt: 4 })
      await store.lanes.makeDue('billing', NOW)
      expect((await dueLanes(store, 'billing')).map(lane => [lane.orderKey, lane.nextAt, lane.attempt])).toEqual([
        [key('b'), NOW - 500, 1],
        [key('a'), NOW, 4],
      ])
      expect(await dueLanes(store, 'search')).toEqual([])
    })

    test('makeDue reaches every lane of a long backlog', async () => {
      const { store } = world
      const events = Array.from({ length: 1200 }, (_, index) => eventRecord({ orderId: `o${index}` }))
      await remember(store, events)
      await store.lanes.spill(spilled('billing', events), { nextAt: NOW + 500, attempt: 1 })
      await store.lanes.makeDue('billing', NOW)
      const due = await store.lanes.due({ destination: 'billing', now: NOW, limit: 5000, owned: null, skip: new Set() })
      expect(due).toHaveLength(1200)
    })
  })
}
