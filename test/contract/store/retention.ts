import { describe, expect, test } from 'vitest'
import type { EventRecord } from '../../../src/order/event-record.ts'
import type { PruneBounds } from '../../../src/store/port/retention.ts'
import { endpointRow } from '../../helpers/endpoint-row.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import {
  attemptRow,
  backlogOf,
  dueLanes,
  leaseOf,
  NOW,
  order,
  page,
  remember,
  spilled,
  type World,
  wait,
} from './world.ts'

/** Everything before NOW may go. */
const BEFORE_NOW: PruneBounds = { events: NOW, attempts: NOW, deadLetters: 0, reader: null, now: NOW }

export function retentionContract(world: World): void {
  const go = new AbortController().signal
  const old = (orderId: string, sequence = 1) => eventRecord({ orderId, sequence, observedAt: NOW - 1000 })
  const young = (orderId: string, sequence = 2) => eventRecord({ orderId, sequence, observedAt: NOW })
  const prune = (bounds: Partial<PruneBounds> = {}) => world.store.prune({ ...BEFORE_NOW, ...bounds }, go)
  const left = async () => (await world.store.events.list({}, { limit: 1000 })).map(event => event.id)
  const giveUp = (event: EventRecord, own: { hold?: boolean; at?: number; destination?: string } = {}) =>
    world.store.lanes.deadLetter({
      destination: 'billing',
      orderKey: event.orderKey,
      eventId: event.id,
      at: NOW,
      attempts: 1,
      lastError: 'x',
      hold: false,
      ...own,
    })

  describe('retention', () => {
    test('events older than the bound go, whatever their number, and younger ones stay', async () => {
      const { store } = world
      await remember(
        store,
        Array.from({ length: 1100 }, (_, index) => old(`o${index}`)),
      )
      await remember(store, [young('a', 1), young('b', 1)])
      const last = await store.events.last()
      expect(await prune()).toEqual({ events: 1100, attempts: 0, deadLetters: new Map() })
      expect((await store.events.list({}, { limit: 10 })).map(event => event.orderId)).toEqual(['a', 'b'])
      expect(await prune({ events: NOW + 1 })).toMatchObject({ events: 2 })

      await remember(store, [young('c', 1)])
      expect(await store.events.last()).toBeGreaterThan(last)
    })

    test('an event that waits for a destination stays with its backlog, however old, and goes once it is delivered', async () => {
      const { store } = world
      const [waiting, done] = [old('waiting'), old('done')]
      await wait(store, 'billing', [waiting])
      await remember(store, [done])
      expect(await prune()).toMatchObject({ events: 1 })
      expect(await left()).toEqual([waiting.id])
      expect(await backlogOf(store, 'billing', waiting.orderKey)).toEqual([waiting.id])
      expect((await dueLanes(store, 'billing')).map(lane => lane.orderKey)).toEqual([waiting.orderKey])

      await store.lanes.delivered('billing', [{ orderKey: waiting.orderKey, eventIds: [waiting.id] }], NOW)
      expect(await prune()).toMatchObject({ events: 1 })
    })

    test('a large backlog of old events keeps nothing else', async () => {
      const { store } = world
      const events = Array.from({ length: 1300 }, (_, index) => old(`o${index}`))
      await remember(store, events)
      const waiting = events.filter((_, index) => index < 600 || index % 2 === 0)
      await store.lanes.spill(spilled('billing', waiting), { nextAt: NOW, attempt: 0 })
      expect(await prune()).toMatchObject({ events: events.length - waiting.length })
      expect((await store.lanes.backlog()).get('billing')?.size).toBe(waiting.length)
    })

    test('an event with a dead letter stays as long as the letter, also where the letter holds its order', async () => {
      const { store } = world
      const [dead, held] = [old('dead'), old('held')]
      await wait(store, 'billing', [dead, held])
      await giveUp(dead)
      await giveUp(held, { hold: true })
      expect(await prune()).toEqual({ events: 0, attempts: 0, deadLetters: new Map() })
      expect((await store.deadLetters.list({}, { limit: 10 })).map(letter => letter.event.id).sort()).toEqual(
        [dead.id, held.id].sort(),
      )
      expect(await store.deadLetters.redrive({ destination: 'billing' }, NOW)).toBe(2)
      expect((await dueLanes(store, 'billing')).map(lane => lane.orderKey).sort()).toEqual(
        [dead.orderKey, held.orderKey].sort(),
      )
    })

    test('later events of an order stay behind one that is kept, so that the history of an order has no gap', async () => {
      const { store } = world
      const events = [old('a', 1), old('a', 2), old('a', 3), old('b', 1), old('b', 2), young('b', 3)]
      await remember(store, events)
      await store.lanes.spill(spilled('billing', [old('a', 2)]), { nextAt: NOW, attempt: 0 })
      expect(await prune()).toMatchObject({ events: 3 })
      expect((await left()).sort()).toEqual([old('a', 2).id, old('a', 3).id, young('b', 3).id].sort())
    })

    test('an event that is not published yet stays, and so do orders', async () => {
      const { store } = world
      await store.orders.commit(
        await leaseOf(store),
        page({ orders: [order('1', { observedAt: 1 })], events: [old('1')], published: false }),
      )
      expect(await prune()).toMatchObject({ events: 0 })
      expect(await store.events.count({})).toBe(1)
      expect(await store.orders.get('shop', '1')).not.toBeNull()
    })

    test('a published event that the log is to get again stays until it has it', async () => {
      const { store } = world
      await store.orders.commit(await leaseOf(store), page({ orders: [order('a')], events: [old('a')] }))
      expect(await store.events.unpublish({ connection: 'shop', since: 0, after: '', orders: 1 })).toMatchObject({
        events: 1,
      })
      expect(await prune()).toMatchObject({ events: 0 })
      const waiting = await store.events.unpublished('shop', 10)
      await store.events.markPublished(
        await leaseOf(store),
        'shop',
        waiting.map(({ n }) => n),
      )
      expect(await prune()).toMatchObject({ events: 1 })
    })

    test('an event that the reader of the embedded log has not passed stays, all of them where it has never read', async () => {
      const { store } = world
      await remember(store, [old('a'), old('b'), old('c')])
      expect(await prune({ reader: 'dispatch' })).toMatchObject({ events: 0 })
      const [first] = await store.events.list({}, { limit: 1 })
      await store.offsets.set('dispatch', 0, first?.n ?? 0)
      expect(await prune({ reader: 'dispatch' })).toMatchObject({ events: 1 })
      expect(await left()).toEqual([old('b').id, old('c').id])
    })

    test('an event that a replay has still to queue stays; one that the replay does not want goes', async () => {
      const { store } = world
      const wanted = eventRecord({ orderId: 'a', observedAt: NOW - 10, type: 'order.shipped' })
      const unwanted = eventRecord({ orderId: 'b', observedAt: NOW - 10, type: 'order.paid' })
      await remember(store, [wanted, unwanted])
      await store.replays.add('billing', { types: ['order.shipped'], since: NOW - 100 }, NOW)
      expect(await prune()).toMatchObject({ events: 1 })
      expect(await left()).toEqual([wanted.id])
      const [request] = await store.replays.pending()
      const lease = await store.leases.takeOver('partition', 'us')
      await store.replays.queued(request?.n ?? 0, { partition: 0, partitions: 1, lease })
      expect(await prune()).toMatchObject({ events: 1 })
    })

    test('a replay to an endpoint is kept until it is queued, however old, and one to a handler that is gone is not', async () => {
      const { store } = world
      await remember(store, [old('a')])
      await store.endpoints.insert(endpointRow({ id: 'new', createdAt: NOW - 10 }), { replaySince: 0 })
      await store.endpoints.insert(endpointRow({ id: 'known', createdAt: NOW - 10 }))
      for (const destination of ['known', 'gone']) await store.replays.add(destination, {}, NOW - 10)
      await prune()
      expect((await store.replays.pending()).map(({ destination }) => destination)).toEqual(['new', 'known'])
      expect(await left()).toEqual([old('a').id])
      for (const id of ['new', 'known']) await store.endpoints.remove(id)
      await prune()
      expect(await left()).toEqual([])
    })

    test('dead letters expire after their own time, are counted for good, and take their old events along', async () => {
      const { store } = world
      const events = Array.from({ length: 700 }, (_, index) => old(`o${index}`))
      await remember(store, events)
      // By hand, because each write of a dead letter waits for the disk.
      const ids = events.slice(0, 650).map(({ id }) => `'${id}'`)
      await world.tamper(`
        insert into dead_letters (id, destination, event_id, order_key, sequence, at, attempts, last_error, holding)
        select 'dl_' || id, 'billing', id, order_key, sequence, ${NOW - 10}, 1, 'x', 0 from events
        where id in (${ids.join()}) order by n`)
      for (const event of events.slice(650, 652)) await giveUp(event, { at: NOW - 10, destination: 'search' })
      for (const event of events.slice(652)) await giveUp(event, { at: NOW })
      const expected = new Map([
        ['billing', 650],
        ['search', 2],
      ])
      expect(await prune({ deadLetters: NOW })).toEqual({ events: 652, attempts: 0, deadLetters: expected })
      expect(await store.deadLetters.expired()).toEqual(
        new Map([
          ['billing', { count: 650, lastAt: NOW }],
          ['search', { count: 2, lastAt: NOW }],
        ]),
      )
      expect(await store.deadLetters.counts()).toEqual(new Map([['billing', 48]]))
      await prune({ deadLetters: NOW + 1 })
      expect((await store.deadLetters.expired()).get('billing')).toMatchObject({ count: 698 })
    })

    test('a dead letter that holds its order never expires: the order waits for a redrive', async () => {
      const { store } = world
      const held = old('held')
      await wait(store, 'billing', [held])
      await giveUp(held, { hold: true, at: NOW - 10 })
      expect(await prune({ deadLetters: NOW })).toMatchObject({ events: 0, deadLetters: new Map() })
      expect(await store.deadLetters.counts()).toEqual(new Map([['billing', 1]]))
      expect(await backlogOf(store, 'billing', held.orderKey)).toEqual([held.id])
    })

    test('attempts older than their own bound go', async () => {
      const { store } = world
      const events = Array.from({ length: 700 }, (_, index) => young(`o${index}`, 1))
      await store.deliveries.record(events.map(event => attemptRow(event, { at: NOW - 10 })))
      await store.deliveries.record(events.slice(0, 3).map(event => attemptRow(event, { at: NOW })))
      expect(await prune({ events: 0 })).toMatchObject({ events: 0, attempts: 700 })
      expect((await store.deliveries.list({}, { limit: 10 })).data).toHaveLength(3)
    })

    test('attempts of a delivery that waits or is dead stay with it', async () => {
      const { store } = world
      const [waiting, dead, done] = [old('waiting'), old('dead'), old('done')]
      await wait(store, 'billing', [waiting, dead])
      await remember(store, [done])
      await giveUp(dead)
      const failed = { at: NOW - 10, outcome: 'retry' } as const
      await store.deliveries.record([waiting, dead, done].map(event => attemptRow(event, failed)))
      expect(await prune()).toMatchObject({ attempts: 1 })
      for (const event of [waiting, dead])
        expect((await store.deliveries.get('billing', event.id))?.attempts).toHaveLength(1)
    })

    test('nothing is deleted once it was told to stop', async () => {
      const { store } = world
      await remember(store, [old('a')])
      expect(await store.prune(BEFORE_NOW, AbortSignal.abort())).toMatchObject({ events: 0, attempts: 0 })
      expect(await store.events.count({})).toBe(1)
    })

    test('rows without an order id do not stay in quarantine for good, spans that could not be read do', async () => {
      const { store } = world
      const entries = [{ path: '', value: '{}', reason: 'no id' }]
      await store.orders.commit(
        await leaseOf(store),
        page({
          quarantine: [
            { orderId: null, entries, at: NOW - 10 },
            { orderId: '1', entries, at: NOW - 10 },
          ],
        }),
      )
      const span = { connection: 'shop', from: 1, to: 2, at: NOW - 10, reason: 'no JSON', tries: 4, nextAt: NOW }
      await store.quarantine.setSpan(await leaseOf(store), span)
      await prune()
      expect((await store.quarantine.list({}, { limit: 10 })).map(row => row.orderId ?? row.span)).toEqual([
        { from: 1, to: 2 },
        '1',
      ])
    })
  })

  test('the version of its file that a handler ran last is kept', async () => {
    const { handlerFiles } = world.store
    expect(await handlerFiles.digests()).toEqual(new Map())
    await handlerFiles.put('mail', 'one')
    await handlerFiles.put('stock', 'one')
    await handlerFiles.put('mail', 'two')
    expect(await handlerFiles.digests()).toEqual(
      new Map([
        ['mail', 'two'],
        ['stock', 'one'],
      ]),
    )
  })
}
