import { describe, expect, test } from 'vitest'
import type { EventRecord } from '../../../src/order/event-record.ts'
import { LEASE_LOST } from '../../../src/store/port/leases.ts'
import { endpointRow } from '../../helpers/endpoint-row.ts'
import { eventRecord, eventsOf } from '../../helpers/event-records.ts'
import { backlogOf, dueLanes, leaseOf, NOW, page, remember, type World, wait } from './world.ts'

const endpoint = endpointRow({
  id: 'new',
  filter: { 'data.order.currency': ['EUR'], 'data.payment.amount': { gte: '1.00' } },
  headers: { 'x-key': 'sealed' },
  createdAt: NOW,
  updatedAt: NOW,
})

/** Replays on their way into the backlog, and who may say that they are there. */
export function replayContract(world: World): void {
  describe('replays', () => {
    test('one is asked for with the end of what it covers, and says how many events that is', async () => {
      const { store } = world
      expect(await store.replays.end()).toBe(0)
      await remember(store, eventsOf('a', 3))
      expect(await store.replays.add('billing', { types: ['order.refunded'] }, NOW)).toBe(0)
      expect(await store.replays.pending()).toEqual([])
      expect(await store.replays.add('billing', { orderId: 'a' }, NOW)).toBe(3)
      expect(await store.replays.add('billing', {}, NOW, event => event.sequence === 2)).toBe(1)
      const through = await store.replays.end()
      await remember(store, eventsOf('b', 2))
      const [first] = await store.replays.pending()
      expect(first).toEqual({
        n: expect.any(Number),
        destination: 'billing',
        filter: { orderId: 'a' },
        opening: false,
        through,
        queued: [],
        createdAt: NOW,
      })
      expect(await store.replays.end()).toBe(through + 2)
    })

    test('it is over when each partition is queued, by whoever has the lease of the partition', async () => {
      const { store } = world
      await remember(store, eventsOf('a', 1))
      await store.replays.add('billing', {}, NOW)
      const [{ n } = { n: 0 }] = await store.replays.pending()
      const [zero, ours] = [await store.leases.takeOver('0', 'us'), await store.leases.takeOver('1', 'us')]
      const theirs = await store.leases.takeOver('1', 'them')
      const refused = () => store.replays.queued(n, { partition: 1, partitions: 2, lease: ours })
      await expect(refused()).rejects.toMatchObject({ code: LEASE_LOST })
      await store.replays.queued(n, { partition: 0, partitions: 2, lease: zero })
      expect(await store.replays.pending()).toMatchObject([{ queued: [0] }])
      await store.replays.queued(n, { partition: 1, partitions: 2, lease: theirs })
      expect(await store.replays.pending()).toEqual([])
      // One that is over, or whose destination was removed, is marked in vain.
      await store.replays.queued(n, { partition: 1, partitions: 2, lease: theirs })
    })

    test('several that end at once leave nothing behind', async () => {
      const { store } = world
      await remember(store, eventsOf('a', 1))
      await store.replays.add('billing', {}, NOW)
      const [{ n } = { n: 0 }] = await store.replays.pending()
      const partitions = Array.from({ length: 6 }, (_, partition) => partition)
      const mark = async (partition: number) => {
        const lease = await store.leases.takeOver(`partition ${partition}`, 'us')
        await store.replays.queued(n, { partition, partitions: 6, lease })
      }
      await Promise.all(partitions.map(mark))
      expect(await store.replays.pending()).toEqual([])
    })

    test('says whether all up to an event is published', async () => {
      const { store } = world
      await remember(store, eventsOf('a', 2))
      const lease = await leaseOf(store)
      await store.orders.commit(lease, page({ events: eventsOf('b', 2), published: false }))
      const end = await store.replays.end()
      expect(await store.replays.published(end - 2)).toBe(true)
      expect(await store.replays.published(end - 1)).toBe(false)
      await store.orders.commit(lease, page({ events: eventsOf('c', 1), published: false }))
      expect(await store.replays.unpublished(end)).toEqual(new Map([['shop/b', 1]]))
      await store.events.markPublished(lease, 'shop', [end - 1])
      expect(await store.replays.unpublished(end + 1)).toEqual(
        new Map([
          ['shop/b', 2],
          ['shop/c', 1],
        ]),
      )
      await store.events.markPublished(lease, 'shop', [end - 1, end])
      expect(await store.replays.published(end)).toBe(true)
      const first = await store.events.get(
        (await store.events.list({}, { limit: 10 })).find(one => one.orderId === 'b')?.id ?? '',
      )
      await store.events.unpublish({ connection: 'shop', since: 0, until: NOW * 2, after: 'a', orders: 1 })
      await store.events.markPublished(lease, 'shop', [(first?.n ?? 0) + 1])
      expect((await store.replays.unpublished(end)).has('shop/b')).toBe(false)
    })

    test('a new endpoint comes with its past in one write, and goes with it', async () => {
      const { store } = world
      expect(await store.endpoints.insert(endpoint, { replaySince: 5 })).toBe(true)
      expect(await store.endpoints.insert(endpoint, { replaySince: 6 })).toBe(false)
      expect(await store.endpoints.get('new')).toEqual(endpoint)
      expect(await store.replays.pending()).toMatchObject([
        { destination: 'new', filter: { since: 5 }, opening: true, through: null, queued: [] },
      ])
      await store.endpoints.remove('new')
      expect(await store.replays.pending()).toEqual([])
    })

    test('a new endpoint of which others learn later comes with a replay of what happens until they do', async () => {
      const { store } = world
      await remember(store, eventsOf('a', 2))
      await store.endpoints.insert(endpoint, { shared: true })
      const [request] = await store.replays.pending()
      const behind = await store.replays.end()
      expect(request).toMatchObject({
        destination: 'new',
        filter: { behind },
        opening: true,
        through: null,
        queued: [],
      })
      await remember(store, eventsOf('b', 2))
      await store.lanes.replay('new', request?.filter ?? {}, NOW, { origin: 'live' })
      const waiting = await store.lanes.head('new', 'shop/b', 10)
      expect(waiting.map(({ id, origin }) => [id, origin])).toEqual([
        ['evt_shop.b.1', 'live'],
        ['evt_shop.b.2', 'live'],
      ])
      expect(await backlogOf(store, 'new', 'shop/a')).toEqual([])
    })

    test('of an endpoint that is removed meanwhile leaves nothing', async () => {
      const { store } = world
      await remember(store, eventsOf('a', 1_000))
      await store.endpoints.insert(endpoint, { replaySince: 0 })
      const [{ n: request } = { n: 0 }] = await store.replays.pending()
      const asked: number[] = []
      let removed: Promise<boolean> | undefined
      const wants = ({ sequence }: EventRecord) => {
        if (asked.push(sequence) > 200) removed ??= store.endpoints.remove('new')
        return true
      }
      await store.lanes.replay('new', {}, NOW, { request, wants })
      expect(await removed).toBe(true)
      expect(asked.length).toBeLessThan(1_000)
      expect(await store.lanes.backlog()).toEqual(new Map())
      expect(await store.lanes.counts()).toEqual(new Map())
    })

    test('what was put aside for a removed endpoint can be dropped, and not that of one there is', async () => {
      const { store } = world
      await wait(store, 'new', eventsOf('a', 2))
      await wait(store, 'other', eventsOf('b', 1))
      await store.replays.add('new', {}, NOW)
      await store.lanes.forget('new')
      expect([...(await store.lanes.backlog()).keys()]).toEqual(['other'])
      expect([...(await store.lanes.counts()).keys()]).toEqual(['other'])
      expect(await store.replays.pending()).toEqual([])
      await store.endpoints.insert(endpoint, { replaySince: 0 })
      await wait(store, 'new', eventsOf('c', 1))
      await store.lanes.forget('new')
      expect(await backlogOf(store, 'new', 'shop/c')).toHaveLength(1)
      expect(await store.replays.pending()).toHaveLength(1)
    })

    test('the backlog gets what is chosen and no more than the end allows', async () => {
      const { store } = world
      await remember(store, eventsOf('a', 4))
      const through = (await store.replays.end()) - 1
      const queued = await store.lanes.replay('billing', { through }, NOW, { wants: event => event.sequence !== 2 })
      expect(queued).toBe(2)
      expect(await backlogOf(store, 'billing', 'shop/a')).toEqual(['evt_shop.a.1', 'evt_shop.a.3'])
      const stopped = await store.lanes.replay('other', {}, NOW, { signal: AbortSignal.abort() })
      expect(stopped).toBe(0)
    })

    test('a single event makes its lane due now', async () => {
      const { store } = world
      const event = eventRecord({ orderId: 'a' })
      await wait(store, 'billing', [event])
      const waiting = { destination: 'billing', orderKey: 'shop/a', nextAt: NOW + 90_000, attempt: 3, held: false }
      await store.lanes.reschedule([waiting])
      expect(await store.lanes.replay('billing', { eventId: event.id }, NOW)).toBe(1)
      expect(await dueLanes(store, 'billing')).toEqual([{ ...waiting, nextAt: NOW }])
    })
  })
}
