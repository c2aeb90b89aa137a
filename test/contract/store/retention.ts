import { describe, expect, test } from 'vitest'
import type { EventRecord } from '../../../src/order/event-record.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { attemptRow, backlogOf, dueLanes, leaseOf, NOW, order, page, remember, spilled, type World } from './world.ts'

export function retentionContract(world: World): void {
  describe('retention', () => {
    const go = new AbortController().signal
    const old = (orderId: string, sequence = 1) => eventRecord({ orderId, sequence, observedAt: NOW - 1000 })
    const young = (orderId: string, sequence = 2) => eventRecord({ orderId, sequence, observedAt: NOW })

    test('events older than the bound go, whatever their number, and younger ones stay', async () => {
      const { store } = world
      await remember(
        store,
        Array.from({ length: 1100 }, (_, index) => old(`o${index}`)),
      )
      await remember(store, [young('a', 1), young('b', 1)])
      const last = await store.events.last()
      expect(await store.prune({ events: NOW, attempts: NOW }, go)).toEqual({ events: 1100, attempts: 0 })
      expect((await store.events.list({}, { limit: 10 })).map(event => event.orderId)).toEqual(['a', 'b'])
      expect(await store.prune({ events: NOW + 1, attempts: NOW }, go)).toMatchObject({ events: 2 })

      await remember(store, [young('c', 1)])
      expect(await store.events.last()).toBeGreaterThan(last)
    })

    test('an event takes along what waits of it and its dead letters; lanes left empty go, held ones go on', async () => {
      const { store } = world
      const events = [old('only'), old('both'), young('both'), old('held'), young('held'), old('dead')]
      await remember(store, events)
      await store.lanes.spill(spilled('billing', events.slice(0, 5)), { nextAt: NOW, attempt: 0 })
      const bury = (event: EventRecord | undefined, hold: boolean) =>
        event &&
        store.lanes.bury({
          destination: 'billing',
          orderKey: event.orderKey,
          eventId: event.id,
          at: NOW,
          attempts: 1,
          lastError: 'x',
          hold,
        })
      await bury(events[3], true)
      await bury(events[5], false)
      await store.prune({ events: NOW, attempts: NOW }, go)
      expect(await store.deadLetters.counts()).toEqual(new Map())
      expect(await store.lanes.counts()).toEqual(new Map([['billing', 2]]))
      expect((await dueLanes(store, 'billing')).map(lane => lane.orderKey).sort()).toEqual(['shop/both', 'shop/held'])
      expect(await backlogOf(store, 'billing', 'shop/both')).toEqual([young('both').id])
      expect((await store.lanes.backlog()).get('billing')?.size).toBe(2)
    })

    test('an event that is not published yet stays, and so do orders', async () => {
      const { store } = world
      await store.orders.commit(
        await leaseOf(store),
        page({ orders: [order('1', { observedAt: 1 })], events: [old('1')], publishedAt: null }),
      )
      expect(await store.prune({ events: NOW, attempts: NOW }, go)).toEqual({ events: 0, attempts: 0 })
      expect(await store.events.count({})).toBe(1)
      expect(await store.orders.get('shop', '1')).not.toBeNull()
    })

    test('attempts older than their own bound go', async () => {
      const { store } = world
      const events = Array.from({ length: 700 }, (_, index) => young(`o${index}`, 1))
      await store.deliveries.record(events.map(event => attemptRow(event, { at: NOW - 10 })))
      await store.deliveries.record(events.slice(0, 3).map(event => attemptRow(event, { at: NOW })))
      expect(await store.prune({ events: 0, attempts: NOW }, go)).toEqual({ events: 0, attempts: 700 })
      expect((await store.deliveries.list({}, { limit: 10 })).data).toHaveLength(3)
    })

    test('nothing is deleted once it was told to stop', async () => {
      const { store } = world
      await remember(store, [old('a')])
      expect(await store.prune({ events: NOW, attempts: NOW }, AbortSignal.abort())).toEqual({ events: 0, attempts: 0 })
      expect(await store.events.count({})).toBe(1)
    })

    test('rows without an order id do not stay in quarantine for good, spans that could not be read do', async () => {
      const { store } = world
      const entries = [{ path: '', value: '{}', reason: 'no id' }]
      await store.orders.commit(
        await leaseOf(store),
        page({
          doubts: [
            { orderId: null, entries, at: NOW - 10 },
            { orderId: '1', entries, at: NOW - 10 },
          ],
        }),
      )
      const span = { connection: 'shop', from: 1, to: 2, at: NOW - 10, reason: 'no JSON', tries: 4, nextAt: NOW }
      await store.quarantine.setSpan(await leaseOf(store), span)
      await store.prune({ events: NOW, attempts: NOW }, go)
      expect((await store.quarantine.list({}, { limit: 10 })).map(row => row.orderId ?? row.span)).toEqual([
        { from: 1, to: 2 },
        '1',
      ])
    })
  })
}
