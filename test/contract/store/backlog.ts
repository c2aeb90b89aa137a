import { describe, expect, test } from 'vitest'
import { eventRecord, eventsOf } from '../../helpers/event-records.ts'
import { backlogOf, dueLanes, NOW, remember, spilled, type World, wait } from './world.ts'

/** How the backlog of a lane grows and shrinks. */
export function backlogContract(world: World): void {
  describe('backlog', () => {
    const key = (orderId: string) => `shop/${orderId}`
    const ids = (events: readonly { id: string }[]) => events.map(event => event.id)

    test('what is delivered goes; a lane left empty loses its row, another becomes due without attempts', async () => {
      const { store } = world
      const [a, b] = [eventsOf('a', 2), eventsOf('b', 2)]
      await remember(store, [...a, ...b])
      await store.lanes.spill(spilled('billing', [...a, ...b]), { nextAt: NOW + 500, attempt: 4 })
      const emptied = await store.lanes.delivered(
        'billing',
        [
          { orderKey: key('a'), eventIds: ids(a) },
          { orderKey: key('b'), eventIds: ids(b.slice(0, 1)) },
        ],
        NOW,
      )
      expect(emptied).toEqual(new Set([key('a')]))
      expect(await store.lanes.existing('billing', [key('a'), key('b')])).toEqual(new Set([key('b')]))
      expect(await dueLanes(store, 'billing')).toEqual([
        { destination: 'billing', orderKey: key('b'), nextAt: NOW, attempt: 0, held: false },
      ])
      expect(await backlogOf(store, 'billing', key('b'))).toEqual(ids(b.slice(1)))
    })

    test('delivering at one destination takes nothing from another', async () => {
      const { store } = world
      const events = eventsOf('a', 1)
      await wait(store, 'billing', events)
      await store.lanes.spill(spilled('search', events), { nextAt: NOW, attempt: 0 })
      await store.lanes.delivered('billing', [{ orderKey: key('a'), eventIds: ids(events) }], NOW)
      expect(await backlogOf(store, 'search', key('a'))).toEqual(ids(events))
      expect(await store.lanes.counts()).toEqual(new Map([['search', 1]]))
    })

    test('delivering what does not wait says that its lane is empty and changes nothing', async () => {
      const { store } = world
      await wait(store, 'billing', eventsOf('a', 1))
      const done = [{ orderKey: key('b'), eventIds: ['evt_unknown'] }]
      expect(await store.lanes.delivered('billing', done, NOW)).toEqual(new Set([key('b')]))
      expect(await store.lanes.delivered('billing', [], NOW)).toEqual(new Set())
      expect(await store.lanes.counts()).toEqual(new Map([['billing', 1]]))
    })

    test('an earlier event that comes later is the head', async () => {
      const { store } = world
      const events = eventsOf('a', 3)
      await remember(store, events)
      await store.lanes.spill(spilled('billing', events.slice(1)), { nextAt: NOW, attempt: 0 })
      await store.lanes.spill(spilled('billing', events.slice(0, 1)), { nextAt: NOW, attempt: 0 })
      expect(await backlogOf(store, 'billing', key('a'))).toEqual(ids(events))
    })

    test('spilling and delivering the same lanes at the same time leaves a row exactly where something waits', async () => {
      const { store } = world
      const orders = ['a', 'b', 'c', 'd']
      const events = orders.flatMap(orderId => eventsOf(orderId, 20))
      await remember(store, events)
      const of = (orderId: string) => events.filter(event => event.orderId === orderId)
      const work: Promise<unknown>[] = []
      for (let index = 0; index < 20; index++)
        for (const orderId of orders) {
          const event = of(orderId)[index]
          if (!event) continue
          work.push(store.lanes.spill(spilled('billing', [event]), { nextAt: NOW, attempt: 0 }))
          const before = of(orderId).slice(0, index)
          if (before.length > 0)
            work.push(store.lanes.delivered('billing', [{ orderKey: key(orderId), eventIds: ids(before) }], NOW))
        }
      await Promise.all(work)
      const existing = await store.lanes.existing('billing', orders.map(key))
      for (const orderId of orders)
        expect((await backlogOf(store, 'billing', key(orderId))).length > 0).toBe(existing.has(key(orderId)))
      expect(existing).toEqual(new Set(orders.map(key)))

      await Promise.all(
        orders.map(orderId =>
          store.lanes.delivered('billing', [{ orderKey: key(orderId), eventIds: ids(of(orderId)) }], NOW),
        ),
      )
      expect(await store.lanes.counts()).toEqual(new Map())
      expect(await store.lanes.backlog()).toEqual(new Map())
    })

    test('a lane that gets its first row while another transaction asks for it never loses the row and keeps the backlog', async () => {
      const { store } = world
      for (let round = 0; round < 12; round++) {
        const orders = ['a', 'b', 'c', 'd'].map(name => `${name}${round}`)
        const events = orders.flatMap(orderId => eventsOf(orderId, 8))
        await remember(store, events)
        await Promise.all(
          events.flatMap(event => {
            const before = events.filter(
              ({ orderId, sequence }) => orderId === event.orderId && sequence < event.sequence,
            )
            const done = [{ orderKey: event.orderKey, eventIds: ids(before) }]
            return [
              store.lanes.spill(spilled('billing', [event]), { nextAt: NOW, attempt: 0 }),
              ...(before.length > 0 ? [store.lanes.delivered('billing', done, NOW)] : []),
            ]
          }),
        )
        expect(await store.lanes.existing('billing', orders.map(key))).toEqual(new Set(orders.map(key)))
      }
    })

    test('backlog says how many wait and since when the oldest was observed', async () => {
      const { store } = world
      await wait(store, 'billing', [
        eventRecord({ orderId: 'a', observedAt: NOW - 5 }),
        eventRecord({ orderId: 'b', observedAt: NOW - 9 }),
      ])
      await wait(store, 'search', [eventRecord({ orderId: 'c', observedAt: NOW })])
      expect(await store.lanes.backlog()).toEqual(
        new Map([
          ['billing', { size: 2, oldestObservedAt: NOW - 9 }],
          ['search', { size: 1, oldestObservedAt: NOW }],
        ]),
      )
    })

    test('a replay queues what matches, each order by sequence, due now', async () => {
      const { store } = world
      await remember(store, [
        ...eventsOf('a', 3),
        ...eventsOf('b', 2, { type: 'order.refunded' }),
        ...eventsOf('c', 1, { connection: 'other' }),
      ])
      expect(await store.lanes.replay('billing', { connections: ['shop'] }, NOW)).toBe(5)
      expect(await dueLanes(store, 'billing')).toHaveLength(2)
      expect((await store.lanes.head('billing', key('a'), 10)).map(event => [event.sequence, event.origin])).toEqual([
        [1, 'replay'],
        [2, 'replay'],
        [3, 'replay'],
      ])
      expect(await store.lanes.replay('search', { types: ['order.refunded'] }, NOW)).toBe(2)
      expect(await store.lanes.replay('search', { orderId: 'none' }, NOW)).toBe(0)
    })

    test('a replay leaves what waits already as it is', async () => {
      const { store } = world
      const events = eventsOf('a', 3)
      await remember(store, events)
      await store.lanes.spill(spilled('billing', events.slice(2)), { nextAt: NOW + 500, attempt: 4 })
      await store.lanes.replay('billing', {}, NOW)
      expect((await store.lanes.head('billing', key('a'), 10)).map(event => event.origin)).toEqual([
        'replay',
        'replay',
        'live',
      ])
      expect(await dueLanes(store, 'billing')).toEqual([])
      expect(await dueLanes(store, 'billing', NOW + 500)).toMatchObject([{ attempt: 4 }])
    })

    test('an event waits as live rather than redriven, as that rather than replayed, whichever came first', async () => {
      const { store } = world
      const ranked = ['replay', 'redrive', 'live'] as const
      const pairs = ranked.flatMap(first => ranked.map(second => [first, second] as const))
      const events = pairs.map(([first, second]) => eventRecord({ orderId: `${first}-${second}` }))
      await remember(store, events)
      const origins = async () =>
        Promise.all(
          events.map(async ({ orderKey }) => (await store.lanes.head('billing', orderKey, 2)).map(at => at.origin)),
        )
      const greater = pairs.map(([first, second]) => [ranked[Math.max(ranked.indexOf(first), ranked.indexOf(second))]])
      for (const turn of [0, 1] as const) {
        const as = (index: number) => pairs[index]?.[turn] ?? 'live'
        const spills = events.map((event, index) => ({ destination: 'billing', event, origin: as(index) }))
        await store.lanes.spill(spills, { nextAt: NOW + turn, attempt: turn })
      }
      expect(await origins()).toEqual(greater)
      expect(await dueLanes(store, 'billing')).toHaveLength(events.length)
      await store.lanes.replay('billing', {}, NOW)
      expect(await origins()).toEqual(greater)
    })

    test('an event that is given twice in one write waits once, as the greater of both', async () => {
      const { store } = world
      const events = eventsOf('a', 2)
      await remember(store, events)
      for (const [destination, origins] of [
        ['billing', ['replay', 'live']],
        ['search', ['live', 'replay']],
      ] as const) {
        await store.lanes.spill(
          origins.flatMap(origin => spilled(destination, events, { origin })),
          { nextAt: NOW, attempt: 0 },
        )
        expect((await store.lanes.head(destination, key('a'), 10)).map(at => [at.id, at.origin])).toEqual(
          events.map(({ id }) => [id, 'live']),
        )
      }
    })

    test('a long replay queues everything', async () => {
      const { store } = world
      const events = Array.from({ length: 1300 }, (_, index) =>
        eventRecord({ orderId: `o${index % 50}`, sequence: index + 1 }),
      )
      await remember(store, events)
      expect(await store.lanes.replay('billing', {}, NOW)).toBe(1300)
      expect((await store.lanes.backlog()).get('billing')?.size).toBe(1300)
      expect(await store.lanes.counts()).toEqual(new Map([['billing', 50]]))
    })

    test('what waits is there after a restart', async () => {
      await wait(world.store, 'billing', eventsOf('a', 2))
      await world.reopen()
      expect(await backlogOf(world.store, 'billing', key('a'))).toHaveLength(2)
      expect(await dueLanes(world.store, 'billing')).toHaveLength(1)
    })
  })
}
