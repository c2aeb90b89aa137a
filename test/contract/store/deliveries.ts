import { describe, expect, test } from 'vitest'
import type { EventRecord } from '../../../src/order/event-record.ts'
import type { DeliveryFilter, DeliveryRow } from '../../../src/store/port/deliveries.ts'
import { eventRecord, eventsOf } from '../../helpers/event-records.ts'
import { attemptRow, NOW, remember, spilled, type World } from './world.ts'

export function deliveryContract(world: World): void {
  describe('deliveries', () => {
    const failed = (event: EventRecord, attempt: number) =>
      attemptRow(event, {
        attempt,
        outcome: 'retry',
        statusCode: 503,
        error: 'busy',
        response: null,
        at: NOW + attempt,
      })

    const giveUp = (event: EventRecord, hold = false) =>
      world.store.lanes.deadLetter({
        destination: 'billing',
        orderKey: event.orderKey,
        eventId: event.id,
        at: NOW + 50,
        attempts: 2,
        lastError: 'busy',
        hold,
      })

    const all = async (filter: DeliveryFilter = {}, limit = 100) => {
      const found: DeliveryRow[] = []
      for (let after: string | undefined; ; ) {
        const { data, next } = await world.store.deliveries.list(filter, {
          limit,
          ...(after !== undefined && { after }),
        })
        expect(data.length).toBeLessThanOrEqual(limit)
        found.push(...data)
        if (next === null) return found
        after = next
      }
    }

    test('an attempt whose event comes with its place in the history is found like one whose place is looked up', async () => {
      const { store } = world
      const [one, two] = [eventRecord({ orderId: 'a' }), eventRecord({ orderId: 'b' })]
      await remember(store, [one, two])
      const [, second] = await store.events.list({}, { limit: 2 })
      await store.deliveries.record([failed(one, 1), attemptRow(two, { eventN: second?.n ?? 0 }), attemptRow(one)])
      expect((await store.deliveries.get('billing', two.id))?.attempts).toEqual([attemptRow(two)])
      expect((await store.deliveries.get('billing', one.id))?.attempts).toEqual([failed(one, 1), attemptRow(one)])
      expect(await store.deliveries.delivered('billing', [second?.n ?? 0])).toBe(1)
    })

    test('since when a destination fails is told by its attempts: after the last success, from a time on', async () => {
      const { store } = world
      const [one, two] = [eventRecord({ orderId: 'a' }), eventRecord({ orderId: 'b' })]
      await remember(store, [one, two])
      const since = (at = 0) => store.deliveries.failingSince('billing', at)
      expect(await since()).toBeNull()
      await store.deliveries.record([failed(one, 1), { ...failed(two, 1), destination: 'other' }])
      expect(await since()).toBe(NOW + 1)
      await store.deliveries.record([attemptRow(one, { attempt: 2, at: NOW + 2 })])
      expect(await since()).toBeNull()
      await store.deliveries.record([failed(two, 3), failed(two, 4), failed(one, 5)])
      expect([await since(), await since(NOW + 4), await since(NOW + 6)]).toEqual([NOW + 3, NOW + 4, null])
      expect(await store.deliveries.failingSince('other', 0)).toBe(NOW + 1)
    })

    test('the newest attempts of one destination, and the newest acknowledgements with the times of their events', async () => {
      const { store } = world
      const [one, two] = [eventRecord({ orderId: 'a' }), eventRecord({ orderId: 'b' })]
      await remember(store, [one, two])
      await store.deliveries.record([
        failed(one, 1),
        attemptRow(one, { attempt: 2, at: NOW + 2 }),
        { ...attemptRow(two, { at: NOW + 3 }), destination: 'other' },
        attemptRow(two, { at: NOW + 4, origin: 'replay' }),
      ])
      const recent = await store.deliveries.recent('billing', 2)
      expect(recent.map(({ eventId, at, outcome }) => [eventId, at, outcome])).toEqual([
        [two.id, NOW + 4, 'delivered'],
        [one.id, NOW + 2, 'delivered'],
      ])
      expect((await store.deliveries.recent('billing', 10)).at(-1)).toMatchObject({ error: 'busy', statusCode: 503 })
      const acknowledged = await store.deliveries.acknowledged(10)
      const occurredAt = (event: EventRecord) => (event.occurredAtSource === 'vendor' ? event.occurredAt : null)
      expect(acknowledged).toEqual([
        { at: NOW + 3, observedAt: two.observedAt, occurredAt: occurredAt(two) },
        { at: NOW + 2, observedAt: one.observedAt, occurredAt: occurredAt(one) },
      ])
      expect(await store.deliveries.acknowledged(1)).toEqual([])
    })

    test('an event delivered after retries is one delivery with all its attempts', async () => {
      const { store } = world
      const event = eventRecord()
      await remember(store, [event])
      const attempts = [failed(event, 1), failed(event, 2), attemptRow(event, { attempt: 3, at: NOW + 3 })]
      await store.deliveries.record(attempts.slice(0, 1))
      await store.deliveries.record(attempts.slice(1))
      await store.deliveries.record([])
      const expected = {
        id: `billing:${event.id}`,
        destination: 'billing',
        eventId: event.id,
        orderKey: event.orderKey,
        status: 'delivered',
        attempt: 3,
        nextAttemptAt: null,
        attempts,
      }
      expect(await all()).toEqual([expected])
      expect(await store.deliveries.get('billing', event.id)).toEqual(expected)
      expect(await store.deliveries.get('search', event.id)).toBeNull()
    })

    test('the head of a lane shows its attempts and next time; those behind wait for it', async () => {
      const { store } = world
      const [head, behind] = eventsOf('a', 2) as [EventRecord, EventRecord]
      await remember(store, [head, behind])
      await store.deliveries.record([failed(head, 1)])
      await store.lanes.spill(spilled('billing', [head, behind]), { nextAt: NOW + 99, attempt: 1 })
      expect(await all({ statuses: ['waiting'] })).toMatchObject([
        { eventId: behind.id, status: 'waiting', attempt: 0, nextAttemptAt: null, attempts: [] },
        { eventId: head.id, status: 'waiting', attempt: 1, nextAttemptAt: NOW + 99, attempts: [{ error: 'busy' }] },
      ])
      expect(await all({ statuses: ['delivered'] })).toEqual([])
      expect(await all({ statuses: ['dead'] })).toEqual([])
    })

    test('an event that was given up is dead, also while it holds its lane', async () => {
      const { store } = world
      const [a, b, behind] = [...eventsOf('a', 1), ...eventsOf('b', 2)] as [EventRecord, EventRecord, EventRecord]
      await remember(store, [a, b, behind])
      await store.deliveries.record([failed(a, 1), attemptRow(a, { attempt: 2, outcome: 'dead', at: NOW + 2 })])
      await giveUp(a)
      await store.lanes.spill(spilled('billing', [b, behind]), { nextAt: NOW, attempt: 2 })
      await giveUp(b, true)
      expect((await all({ statuses: ['dead'] })).map(row => [row.eventId, row.attempt])).toEqual([
        [b.id, 2],
        [a.id, 2],
      ])
      expect(await all({ statuses: ['waiting'] })).toMatchObject([{ eventId: behind.id, nextAttemptAt: null }])
      expect(await store.deliveries.get('billing', b.id)).toMatchObject({ status: 'dead' })
    })

    test('a replay of a delivered or dead event waits, and is not listed twice', async () => {
      const { store } = world
      const [delivered, dead] = [...eventsOf('a', 1), ...eventsOf('b', 1)] as [EventRecord, EventRecord]
      await remember(store, [delivered, dead])
      await store.deliveries.record([attemptRow(delivered)])
      await giveUp(dead)
      await store.lanes.replay('billing', {}, NOW)
      expect((await all()).map(row => [row.eventId, row.status]).sort()).toEqual([
        [delivered.id, 'waiting'],
        [dead.id, 'waiting'],
      ])
      expect(await store.deliveries.get('billing', dead.id)).toMatchObject({ status: 'waiting' })
    })

    test('an event delivered twice is one delivery, placed by the last time', async () => {
      const { store } = world
      const [a, b] = [...eventsOf('a', 1), ...eventsOf('b', 1)] as [EventRecord, EventRecord]
      await remember(store, [a, b])
      await store.deliveries.record([attemptRow(a), attemptRow(b, { at: NOW + 1 }), attemptRow(a, { at: NOW + 2 })])
      expect((await all()).map(row => [row.eventId, row.attempts.length])).toEqual([
        [a.id, 2],
        [b.id, 1],
      ])
    })

    test('the listing is newest first and pages through every status without a gap or a repeat', async () => {
      const { store } = world
      const events = Array.from({ length: 45 }, (_, index) =>
        eventRecord({ orderId: `o${index}`, observedAt: NOW + index * 10 }),
      )
      await remember(store, events)
      for (const [index, event] of events.entries())
        if (index % 3 === 0) await store.deliveries.record([attemptRow(event, { at: NOW + index * 10 })])
        else if (index % 3 === 1) await store.lanes.spill(spilled('billing', [event]), { nextAt: NOW, attempt: 0 })
        else
          await store.lanes.deadLetter({
            destination: 'billing',
            orderKey: event.orderKey,
            eventId: event.id,
            at: NOW + index * 10,
            attempts: 1,
            lastError: 'x',
            hold: false,
          })
      const expected = events.map(event => event.id).toReversed()
      for (const limit of [1, 7, 45, 100]) expect((await all({}, limit)).map(row => row.eventId)).toEqual(expected)
      expect((await all({ statuses: ['delivered'] }, 4)).map(row => row.eventId)).toEqual(
        expected.filter(id => events.findIndex(event => event.id === id) % 3 === 0),
      )
    })

    test('filters by destination and by event hold for every status', async () => {
      const { store } = world
      const [a, b] = [...eventsOf('a', 1), ...eventsOf('b', 1)] as [EventRecord, EventRecord]
      await remember(store, [a, b])
      await store.deliveries.record([attemptRow(a), attemptRow(a, { destination: 'search' })])
      await giveUp(b)
      await store.lanes.spill(spilled('search', [b]), { nextAt: NOW, attempt: 0 })
      const seen = async (filter: { destination?: string; eventId?: string }) =>
        (await all(filter)).map(row => `${row.id} ${row.status}`).sort()
      expect(await seen({ destination: 'billing' })).toEqual([`billing:${a.id} delivered`, `billing:${b.id} dead`])
      expect(await seen({ eventId: b.id })).toEqual([`billing:${b.id} dead`, `search:${b.id} waiting`])
      expect(await seen({ destination: 'search', eventId: a.id })).toEqual([`search:${a.id} delivered`])
      expect(await seen({ destination: 'none' })).toEqual([])
    })

    test('a cursor that is none is refused', async () => {
      await expect(world.store.deliveries.list({}, { limit: 5, after: 'nonsense' })).rejects.toMatchObject({
        code: 'store.bad_cursor',
      })
    })

    test('attempts in short are read newest first of one destination, and oldest first of all behind a number', async () => {
      const { store } = world
      const [one, two] = [eventRecord({ orderId: 'a' }), eventRecord({ orderId: 'b' })]
      expect([await store.deliveries.last(), await store.deliveries.behind(0, 10)]).toEqual([0, []])
      await store.deliveries.record([
        failed(one, 1),
        attemptRow(two, { destination: 'search', ms: 7 }),
        attemptRow(one, { attempt: 2, at: NOW + 2 }),
        failed(two, 3),
      ])
      const all = await store.deliveries.behind(0, 10)
      expect(all.map(({ n: _, ...rest }) => rest)).toEqual([
        { destination: 'billing', delivered: false, at: NOW + 1, ms: 12, error: 'busy' },
        { destination: 'search', delivered: true, at: NOW, ms: 7, error: null },
        { destination: 'billing', delivered: true, at: NOW + 2, ms: 12, error: null },
        { destination: 'billing', delivered: false, at: NOW + 3, ms: 12, error: 'busy' },
      ])
      expect(await store.deliveries.last()).toBe(all[3]?.n)
      expect(await store.deliveries.behind(all[1]?.n ?? 0, 1)).toEqual([all[2]])
      expect(await store.deliveries.latest('billing', 2)).toEqual([all[3], all[2]])
      expect(await store.deliveries.latest('billing', 2, all[2]?.n)).toEqual([all[0]])
      expect(await store.deliveries.latest('none', 2)).toEqual([])
    })

    test('filters by event type, by the class of the latest answer and by time hold for every status', async () => {
      const { store } = world
      const types = ['order.paid', 'order.shipped', 'order.delivered', 'order.refunded'] as const
      const [paid, shipped, delivered, refunded] = types.map((type, index) =>
        eventRecord({ orderId: type, type, observedAt: NOW + index * 10 }),
      ) as [EventRecord, EventRecord, EventRecord, EventRecord]
      await remember(store, [paid, shipped, delivered, refunded])
      await store.deliveries.record([
        attemptRow(paid, { at: NOW, outcome: 'retry', statusCode: 500 }),
        attemptRow(paid, { at: NOW + 5, statusCode: 204 }),
        attemptRow(shipped, { at: NOW + 12, outcome: 'dead', statusCode: 404 }),
        attemptRow(delivered, { at: NOW + 22, outcome: 'retry', statusCode: null }),
      ])
      await store.lanes.spill(spilled('billing', [delivered, refunded]), { nextAt: NOW + 99, attempt: 1 })
      const gone = { destination: 'billing', orderKey: shipped.orderKey, eventId: shipped.id, at: NOW + 12 }
      await store.lanes.deadLetter({ ...gone, attempts: 1, lastError: 'x', hold: false })
      const seen = async (filter: DeliveryFilter) => {
        const { data } = await store.deliveries.list(filter, { limit: 100 })
        return data.map(({ orderKey }) => orderKey.slice('shop/order.'.length)).sort()
      }
      for (const type of types) expect(await seen({ types: [type] })).toEqual([type.slice('order.'.length)])
      expect(await seen({ types: ['order.paid', 'order.refunded'] })).toEqual(['paid', 'refunded'])
      expect(await seen({ answer: '2xx' })).toEqual(['paid'])
      expect(await seen({ answer: '4xx' })).toEqual(['shipped'])
      expect(await seen({ answer: '5xx' })).toEqual([])
      expect(await seen({ answer: 'none' })).toEqual(['delivered'])
      expect(await seen({ until: NOW + 12 })).toEqual(['paid'])
      expect(await seen({ since: NOW + 12, until: NOW + 30 })).toEqual(['delivered', 'shipped'])
      expect(await seen({ types: ['order.paid'], answer: '4xx' })).toEqual([])
    })

    test('a page looks at some 10,000 rows at most, and its cursor goes on behind them', async () => {
      const { store } = world
      const [rare, usual] = [
        eventRecord({ orderId: 'rare', type: 'order.refunded' }),
        eventRecord({ orderId: 'usual' }),
      ]
      await remember(store, [rare, usual])
      await store.deliveries.record([attemptRow(rare)])
      await giveUp(usual)
      // Of events that the history does not have (any more).
      const others = Array.from({ length: 11_000 }, (_, index) => eventRecord({ orderId: `other-${index}` }))
      await store.deliveries.record(others.map(event => attemptRow(event, { destination: 'search', at: NOW + 99 })))
      const filter = { types: ['order.refunded'] } as const
      const first = await store.deliveries.list(filter, { limit: 10 })
      expect(first.data).toEqual([])
      expect(first.next).not.toBeNull()
      expect((await all(filter)).map(row => row.eventId)).toEqual([rare.id])
      expect((await store.deliveries.list({ ...filter, until: NOW - 3_600_001 }, { limit: 10 })).next).toBeNull()
    })

    test('those of some events are counted that a destination has acknowledged, each once', async () => {
      const { store } = world
      const [first, second] = [eventRecord({ orderId: 'a' }), eventRecord({ orderId: 'b' })]
      await remember(store, [first, second])
      const ns = (await store.events.list({}, { limit: 10 })).map(({ n }) => n)
      await store.deliveries.record([attemptRow(first), attemptRow(first), failed(second, 1)])
      expect(await store.deliveries.delivered('billing', ns)).toBe(1)
      expect(await store.deliveries.delivered('search', ns)).toBe(0)
      expect(await store.deliveries.delivered('billing', [])).toBe(0)
    })

    test('fractions of milliseconds and text no database could keep do not keep attempts from being recorded', async () => {
      const { store } = world
      const event = eventRecord()
      await remember(store, [event])
      await store.deliveries.record([attemptRow(event, { ms: 12.6, error: 'a \0 b', response: 'half \ud83d' })])
      const row = await store.deliveries.get('billing', event.id)
      expect(row?.attempts).toMatchObject([{ ms: 13, error: 'a  b', response: 'half \ufffd' }])
    })
  })
}
