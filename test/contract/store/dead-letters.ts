import { describe, expect, test } from 'vitest'
import type { EventRecord } from '../../../src/order/event-record.ts'
import { eventRecord, eventsOf } from '../../helpers/event-records.ts'
import { attemptRow, backlogOf, dueLanes, NOW, remember, spilled, type World, wait } from './world.ts'

export function deadLetterContract(world: World): void {
  describe('dead letters', () => {
    const key = (orderId: string) => `shop/${orderId}`
    const ids = (events: readonly { id: string }[]) => events.map(event => event.id)

    const giveUp = (event: EventRecord, own: { hold?: boolean; destination?: string; at?: number } = {}) =>
      world.store.lanes.deadLetter({
        destination: 'billing',
        orderKey: event.orderKey,
        eventId: event.id,
        at: NOW,
        attempts: 3,
        lastError: 'no \0 answer',
        hold: false,
        ...own,
      })
    const letters = (filter = {}) => world.store.deadLetters.list(filter, { limit: 100 })

    test('a head that became a dead letter leaves the backlog, and its lane goes on at once', async () => {
      const { store } = world
      const [first, second] = eventsOf('a', 2) as [EventRecord, EventRecord]
      await remember(store, [first, second])
      await store.lanes.spill(spilled('billing', [first, second]), { nextAt: NOW + 900, attempt: 3 })
      expect(await giveUp(first)).toBe(false)
      expect(await backlogOf(store, 'billing', key('a'))).toEqual([second.id])
      expect(await dueLanes(store, 'billing')).toMatchObject([{ orderKey: key('a'), attempt: 0, held: false }])
      const [letter] = await letters()
      expect(letter).toEqual({
        n: letter?.n,
        id: letter?.id,
        destination: 'billing',
        event: first,
        at: NOW,
        attempts: 3,
        lastError: 'no  answer',
        holding: false,
      })
      expect(await store.deadLetters.get(letter?.id ?? '')).toEqual(letter)
      expect(await store.deadLetters.get('dl_unknown')).toBeNull()

      expect(await giveUp(second)).toBe(true)
      expect(await store.lanes.counts()).toEqual(new Map())
      expect(await store.deadLetters.counts()).toEqual(new Map([['billing', 2]]))
    })

    test('letters are grouped by destination and error since a time, and counted by a filter', async () => {
      const { store } = world
      const events = eventsOf('a', 3)
      const [first, second, third] = events as [EventRecord, EventRecord, EventRecord]
      await remember(store, events)
      await giveUp(first, { at: NOW - 5 })
      await giveUp(second)
      await giveUp(third, { destination: 'search', at: NOW - 50 })
      const group = { destination: 'billing', error: 'no  answer', count: 2, firstAt: NOW - 5, lastAt: NOW }
      expect(await store.deadLetters.groups(NOW - 10, 10)).toEqual([group])
      expect(await store.deadLetters.groups(0, 10)).toHaveLength(2)
      expect(await store.deadLetters.count({ destination: 'billing', error: 'no  answer' })).toBe(2)
      expect(await store.deadLetters.count({ error: 'another' })).toBe(0)
    })

    test('a discarded letter is gone for good, and the lane that it held goes on with what waits behind', async () => {
      const { store } = world
      const events = eventsOf('a', 2)
      const [first, second] = events as [EventRecord, EventRecord]
      await remember(store, events)
      await store.lanes.spill(spilled('billing', events), { nextAt: NOW, attempt: 3 })
      await giveUp(first, { hold: true })
      expect(await dueLanes(store, 'billing')).toEqual([])
      expect(await store.deadLetters.discard({ destination: 'billing' }, NOW + 7)).toBe(1)
      expect(await letters()).toEqual([])
      expect(await backlogOf(store, 'billing', key('a'))).toEqual([second.id])
      expect(await dueLanes(store, 'billing', NOW + 7)).toMatchObject([{ attempt: 0, held: false, nextAt: NOW + 7 }])
      expect(await store.deadLetters.discard({}, NOW)).toBe(0)
    })

    test('an event that never waited can become a dead letter', async () => {
      const event = eventRecord()
      await remember(world.store, [event])
      expect(await giveUp(event)).toBe(true)
      expect(await letters()).toHaveLength(1)
      expect(await world.store.lanes.counts()).toEqual(new Map())
    })

    test('burying the same event again renews its letter', async () => {
      const event = eventRecord()
      await remember(world.store, [event])
      await giveUp(event)
      const [before] = await letters()
      await giveUp(event, { at: NOW + 5 })
      const after = await letters()
      expect(after).toHaveLength(1)
      expect(after[0]).toMatchObject({ id: before?.id, at: NOW + 5 })
    })

    test('a lane that is held keeps its head and is never due, whatever comes behind', async () => {
      const { store } = world
      const events = eventsOf('a', 3)
      const [first] = events as [EventRecord]
      await remember(store, events)
      await store.lanes.spill(spilled('billing', events.slice(0, 2)), { nextAt: NOW, attempt: 3 })
      expect(await giveUp(first, { hold: true })).toBe(false)
      await store.lanes.spill(
        spilled('billing', events.slice(2)),
        { nextAt: NOW, attempt: 0 },
        { retry: { destination: 'billing', orderKey: key('a') } },
      )
      await store.lanes.reschedule([
        { destination: 'billing', orderKey: key('a'), nextAt: NOW, attempt: 0, held: false },
      ])
      await store.lanes.makeDue('billing', NOW)
      await store.lanes.replay('billing', {}, NOW)
      expect(await backlogOf(store, 'billing', key('a'))).toEqual(ids(events))
      expect(await dueLanes(store, 'billing', NOW + 1e9)).toEqual([])
      expect(await store.lanes.nextDue(['billing'])).toBeNull()
      expect(await store.lanes.existing('billing', [key('a')])).toEqual(new Set([key('a')]))
      expect(await letters()).toMatchObject([{ holding: true, event: { id: first.id } }])
    })

    test('an event that never waited can hold its lane', async () => {
      const event = eventRecord({ orderId: 'a' })
      await remember(world.store, [event])
      expect(await giveUp(event, { hold: true })).toBe(false)
      expect(await backlogOf(world.store, 'billing', key('a'))).toEqual([event.id])
      expect(await dueLanes(world.store, 'billing', NOW + 1e9)).toEqual([])
    })

    test('an event that retention removed meanwhile becomes no letter, and holds back nothing', async () => {
      const { store } = world
      const [gone, next] = eventsOf('a', 2) as [EventRecord, EventRecord]
      await remember(store, [next])
      await store.lanes.spill(spilled('billing', [next]), { nextAt: NOW, attempt: 0 })
      for (const hold of [true, false]) {
        expect(await giveUp(gone, { hold })).toBe(false)
        expect(await letters()).toEqual([])
        expect(await dueLanes(store, 'billing')).toMatchObject([{ orderKey: key('a'), held: false }])
      }
    })

    test('redriving a letter that holds lets its lane go on from it, due now without attempts', async () => {
      const { store } = world
      const events = eventsOf('a', 2)
      await wait(store, 'billing', events)
      await giveUp(events[0] as EventRecord, { hold: true })
      expect(await store.deadLetters.redrive({}, NOW + 5)).toBe(1)
      expect(await letters()).toEqual([])
      expect(await backlogOf(store, 'billing', key('a'))).toEqual(ids(events))
      expect(await dueLanes(store, 'billing', NOW + 5)).toEqual([
        { destination: 'billing', orderKey: key('a'), nextAt: NOW + 5, attempt: 0, held: false },
      ])
    })

    test('redriven events wait in order among themselves and before later ones that wait', async () => {
      const { store } = world
      const events = eventsOf('a', 4)
      await remember(store, events)
      for (const event of [events[2], events[0], events[1]]) await giveUp(event as EventRecord)
      await store.lanes.spill(spilled('billing', events.slice(3)), { nextAt: NOW + 900, attempt: 2 })
      expect(await store.deadLetters.redrive({ destination: 'billing' }, NOW)).toBe(3)
      expect((await store.lanes.head('billing', key('a'), 10)).map(event => [event.sequence, event.origin])).toEqual([
        [1, 'redrive'],
        [2, 'redrive'],
        [3, 'redrive'],
        [4, 'live'],
      ])
      expect(await dueLanes(store, 'billing')).toMatchObject([{ attempt: 0, nextAt: NOW }])
      expect(await store.deadLetters.redrive({}, NOW)).toBe(0)
    })

    test('redrive takes what its filter names and leaves the rest', async () => {
      const { store } = world
      const events = [
        eventRecord({ orderId: 'a', type: 'order.paid', observedAt: NOW }),
        eventRecord({ orderId: 'b', type: 'order.refunded', observedAt: NOW + 10 }),
        eventRecord({ orderId: 'c', type: 'order.paid', observedAt: NOW + 20, connection: 'other' }),
      ]
      await remember(store, events)
      for (const event of events) await giveUp(event)
      await giveUp(events[0] as EventRecord, { destination: 'search' })
      expect(await letters({ destination: 'search' })).toHaveLength(1)
      expect(await letters({ types: ['order.paid'] })).toHaveLength(3)
      expect(await letters({ connections: ['other'] })).toHaveLength(1)
      expect(await letters({ orderId: 'b' })).toHaveLength(1)
      expect(await letters({ since: NOW + 10, until: NOW + 20 })).toHaveLength(1)
      const [search] = await letters({ destination: 'search' })
      expect(await letters({ ids: [search?.id ?? ''] })).toEqual([search])
      expect(await letters({ ids: [] })).toEqual([])

      expect(await store.deadLetters.redrive({ ids: [search?.id ?? ''] }, NOW)).toBe(1)
      expect(await store.deadLetters.redrive({ types: ['order.refunded'], destination: 'billing' }, NOW)).toBe(1)
      expect(await store.lanes.counts()).toEqual(
        new Map([
          ['billing', 1],
          ['search', 1],
        ]),
      )
      expect((await letters()).map(letter => letter.event.orderId).sort()).toEqual(['a', 'c'])
    })

    test('many letters are redriven, each order in sequence', async () => {
      const { store } = world
      const events = Array.from({ length: 600 }, (_, index) =>
        eventRecord({ orderId: `o${index % 3}`, sequence: index + 1 }),
      )
      await remember(store, events)
      for (const event of events.toReversed()) await giveUp(event)
      expect(await store.deadLetters.redrive({}, NOW)).toBe(600)
      for (const orderId of ['o0', 'o1', 'o2'])
        expect(await backlogOf(store, 'billing', key(orderId))).toEqual(
          ids(events.filter(event => event.orderId === orderId)),
        )
    })

    test('list is newest first and pages', async () => {
      const { store } = world
      const events = ['a', 'b', 'c'].flatMap(orderId => eventsOf(orderId, 1))
      await remember(store, events)
      for (const event of events) await giveUp(event)
      const first = await store.deadLetters.list({}, { limit: 2 })
      expect(first.map(letter => letter.event.orderId)).toEqual(['c', 'b'])
      const rest = await store.deadLetters.list({}, { limit: 2, after: first.at(-1)?.n ?? 0 })
      expect(rest.map(letter => letter.event.orderId)).toEqual(['a'])
    })

    test('an event that is delivered after all takes its letter away, and a lane it held goes on', async () => {
      const { store } = world
      const [held, next, other] = [...eventsOf('a', 2), ...eventsOf('b', 1)] as [EventRecord, EventRecord, EventRecord]
      await wait(store, 'billing', [held, next, other])
      await giveUp(held, { hold: true })
      await giveUp(other)
      await store.lanes.replay('billing', { orderId: 'b' }, NOW)
      await store.lanes.delivered(
        'billing',
        [
          { orderKey: held.orderKey, eventIds: [held.id] },
          { orderKey: other.orderKey, eventIds: [other.id] },
        ],
        NOW + 1,
      )
      expect(await letters()).toEqual([])
      expect(await dueLanes(store, 'billing', NOW + 1)).toMatchObject([{ orderKey: key('a'), held: false }])
      expect(await backlogOf(store, 'billing', key('a'))).toEqual([next.id])
    })

    test('delivering another event of a held lane leaves it held', async () => {
      const { store } = world
      const [held, next] = eventsOf('a', 2) as [EventRecord, EventRecord]
      await wait(store, 'billing', [held, next])
      await giveUp(held, { hold: true })
      await store.lanes.delivered('billing', [{ orderKey: key('a'), eventIds: [next.id] }], NOW)
      expect(await dueLanes(store, 'billing', NOW + 1e9)).toEqual([])
      expect(await letters()).toHaveLength(1)
    })

    test('a recorded delivery removes an older letter of the same event, and no newer one', async () => {
      const { store } = world
      const [a, b] = [...eventsOf('a', 1), ...eventsOf('b', 1)] as [EventRecord, EventRecord]
      await remember(store, [a, b])
      await giveUp(a, { at: NOW })
      await giveUp(b, { at: NOW + 10 })
      await store.deliveries.record([a, b].map(event => attemptRow(event, { at: NOW + 5 })))
      expect((await letters()).map(letter => letter.event.id)).toEqual([b.id])
    })
  })
}
