import { describe, expect, test } from 'vitest'
import { eventsOf } from '../../helpers/event-records.ts'
import { backlogOf, dueLanes, leaseOf, NOW, order, page, remember, type World, wait } from './world.ts'

/** Which contradicting rows `verify` sees, and which of them it repairs. */
export function verifyContract(world: World): void {
  describe('verify', () => {
    const ids = (events: readonly { id: string }[]) => events.map(({ id }) => id)

    test('shows each order with its events, in pages by connection and order id', async () => {
      const { store } = world
      const lease = await leaseOf(store)
      const [a, b] = [eventsOf('a', 3), eventsOf('b', 1)]
      await store.orders.commit(lease, page({ orders: [order('b'), order('a'), order('c')], events: [...b, ...a] }))
      await store.orders.commit(lease, page({ connection: 'kk', orders: [order('z', { connection: 'kk' })] }))
      const first = await store.verify.orders(null, 2)
      expect(first.map(({ connection, orderId }) => `${connection}/${orderId}`)).toEqual(['kk/z', 'shop/a'])
      expect(first[0]?.events).toEqual([])
      expect(first[1]?.events).toEqual(a.map(({ id, sequence }) => ({ id, sequence })))
      expect(JSON.parse(first[1]?.state ?? '')).toEqual(order('a').state)
      const second = await store.verify.orders(first[1] ?? null, 2)
      expect(second.map(({ orderId, events }) => [orderId, ids(events)])).toEqual([
        ['b', ids(b)],
        ['c', []],
      ])
      expect(await store.verify.orders(second[1] ?? null, 2)).toEqual([])
    })

    test('shows events in pages, and which of them have no order', async () => {
      const { store } = world
      const events = [...eventsOf('a', 2), ...eventsOf('b', 1)]
      await store.orders.commit(await leaseOf(store), page({ orders: [order('a')], events }))
      const first = await store.verify.events(0, 2)
      expect(first.map(({ n: _, ...event }) => event)).toEqual(
        events.slice(0, 2).map(event => ({ ...event, hasOrder: true })),
      )
      const rest = await store.verify.events(first[1]?.n ?? 0, 2)
      expect(rest.map(({ orderId, hasOrder }) => [orderId, hasOrder])).toEqual([['b', false]])
      expect(await store.verify.events(rest[0]?.n ?? 0, 2)).toEqual([])
    })

    test('counts what is not in the event log yet', async () => {
      const { store } = world
      const events = eventsOf('a', 2, { observedAt: NOW + 5 })
      await store.orders.commit(await leaseOf(store), page({ events, published: false }))
      await remember(store, eventsOf('b', 1))
      expect(await store.verify.unpublished()).toEqual([{ connection: 'shop', count: 2, oldestObservedAt: NOW + 5 }])
    })

    test('tells the numbers there are from those that were given', async () => {
      const { store } = world
      await remember(store, eventsOf('a', 3))
      const { first, last, given } = await store.verify.history()
      expect([last - first, given]).toEqual([2, last])
      expect((await store.verify.history()).whole).toBe(first === 1)
      // Retention keeps the first one while it waits: that alone does not make the history whole.
      await world.tamper(`delete from events where n = ${last}`)
      expect((await store.verify.history()).whole).toBe(false)
      await world.tamper('delete from events')
      expect(await store.verify.history()).toEqual({ first: 0, last: 0, given, whole: false })
    })

    test('a lane of which nothing waits is seen and dropped; one with a backlog stays', async () => {
      const { store } = world
      await wait(store, 'billing', [...eventsOf('a', 1), ...eventsOf('b', 1)])
      await world.tamper(`delete from backlog where order_key = 'shop/a'`)
      expect(await store.verify.lanes(null, 10)).toEqual([
        { destination: 'billing', orderKey: 'shop/a', held: false, waiting: false, holder: false },
        { destination: 'billing', orderKey: 'shop/b', held: false, waiting: true, holder: false },
      ])
      for (const orderKey of ['shop/a', 'shop/b', 'shop/none'])
        expect(await store.verify.dropEmptyLane({ destination: 'billing', orderKey })).toBe(orderKey === 'shop/a')
      expect((await store.verify.lanes(null, 10)).map(({ orderKey }) => orderKey)).toEqual(['shop/b'])
      expect(await store.verify.lanes({ destination: 'billing', orderKey: 'shop/b' }, 10)).toEqual([])
    })

    test('a backlog without its lane is seen, and gets it back once', async () => {
      const { store } = world
      const events = eventsOf('a', 2)
      await wait(store, 'billing', events)
      await world.tamper('delete from lanes')
      expect(await store.verify.backlog(0, 10)).toMatchObject(
        events.map(({ id, sequence }) => ({
          destination: 'billing',
          orderKey: 'shop/a',
          eventId: id,
          sequence,
          hasLane: false,
          event: { orderKey: 'shop/a', sequence },
        })),
      )
      const lane = { destination: 'billing', orderKey: 'shop/a' }
      expect(await store.verify.restoreLane(lane, NOW)).toBe(true)
      expect(await store.verify.restoreLane(lane, NOW)).toBe(false)
      expect(await store.verify.restoreLane({ ...lane, orderKey: 'shop/none' }, NOW)).toBe(false)
      expect(await dueLanes(store, 'billing')).toEqual([{ ...lane, nextAt: NOW, attempt: 0, held: false }])
      const owned = { partitions: 1, of: new Set([0]) }
      const due = await store.lanes.due({ destination: 'billing', now: NOW, limit: 1, owned, skip: new Set() })
      expect(due).toHaveLength(1)
      expect((await store.verify.backlog(0, 10)).map(({ hasLane }) => hasLane)).toEqual([true, true])
    })

    test('a lane held by nobody is seen and goes on; one that a dead letter holds stays', async () => {
      const { store } = world
      const events = ['a', 'b'].flatMap(orderId => eventsOf(orderId, 1))
      await wait(store, 'billing', events)
      for (const { orderKey, id } of events)
        await store.lanes.deadLetter({
          destination: 'billing',
          orderKey,
          eventId: id,
          at: NOW,
          attempts: 3,
          lastError: 'x',
          hold: true,
        })
      await world.tamper(`delete from dead_letters where order_key = 'shop/a'`)
      expect((await store.verify.lanes(null, 10)).map(({ held, holder }) => [held, holder])).toEqual([
        [true, false],
        [true, true],
      ])
      expect(await store.verify.deadLetters(0, 10)).toMatchObject([{ orderKey: 'shop/b', holding: true, held: true }])
      for (const orderKey of ['shop/a', 'shop/b'])
        expect(await store.verify.releaseLane({ destination: 'billing', orderKey }, NOW + 1)).toBe(
          orderKey === 'shop/a',
        )
      expect(await dueLanes(store, 'billing', NOW + 1)).toMatchObject([{ orderKey: 'shop/a', attempt: 0 }])
    })

    test('what waits or was given up of an event that is gone is seen, and dropped with its lane', async () => {
      const { store } = world
      const [kept, gone, dead] = ['kept', 'gone', 'dead'].flatMap(orderId => eventsOf(orderId, 1))
      if (!kept || !gone || !dead) throw new Error('there are events')
      await wait(store, 'billing', [kept, gone, dead])
      const letter = { destination: 'billing', orderKey: dead.orderKey, eventId: dead.id }
      await store.lanes.deadLetter({ ...letter, at: NOW, attempts: 1, lastError: 'x', hold: false })
      await world.tamper(`delete from events where order_id in ('gone', 'dead')`)
      expect((await store.verify.backlog(0, 10)).map(({ eventId, event }) => [eventId, event !== null])).toEqual([
        [kept.id, true],
        [gone.id, false],
      ])
      expect(await store.verify.deadLetters(0, 10)).toMatchObject([{ eventId: dead.id, event: null, holding: false }])
      expect(await store.verify.dropWithoutEvent('billing', kept.id)).toBe(false)
      expect(await store.verify.dropWithoutEvent('billing', gone.id)).toBe(true)
      expect(await store.verify.dropWithoutEvent('billing', dead.id)).toBe(true)
      expect(await store.verify.deadLetters(0, 10)).toEqual([])
      expect((await store.verify.lanes(null, 10)).map(({ orderKey }) => orderKey)).toEqual([kept.orderKey])
      expect(await backlogOf(store, 'billing', kept.orderKey)).toEqual([kept.id])
    })

    test('a position beyond all that was ever given is set to the beginning; others stay', async () => {
      const { store } = world
      await remember(store, eventsOf('a', 2))
      const { given } = await store.verify.history()
      await store.offsets.set('ahead', 0, given + 100)
      await store.offsets.set('behind', 0, given - 1)
      expect(await store.verify.lowerOffset('ahead', 0)).toBe(true)
      expect(await store.verify.lowerOffset('behind', 0)).toBe(false)
      expect(await store.verify.offsets()).toEqual([
        { group: 'ahead', partition: 0, position: 0 },
        { group: 'behind', partition: 0, position: given - 1 },
      ])
    })

    test('says when an order is asked for next, for itself or for its user', async () => {
      const { store } = world
      await store.follows.put('tuya', 'order', 'a', 'u', NOW + 9)
      await store.follows.put('tuya', 'user', 'u', 'u', NOW + 5)
      expect(await store.verify.nextReading('tuya', 'a', null)).toBe(NOW + 9)
      expect(await store.verify.nextReading('tuya', 'a', 'u')).toBe(NOW + 5)
      expect(await store.verify.nextReading('tuya', 'b', 'v')).toBeNull()
    })
  })
}
