import { describe, expect, test } from 'vitest'
import { LONGEST_REST } from '../../../src/lib/retry-after.ts'
import type { Window } from '../../../src/sources/source.ts'
import type { EndpointRow } from '../../../src/store/port/endpoints.ts'
import { LEASE_LOST } from '../../../src/store/port/leases.ts'
import type { Store } from '../../../src/store/store.ts'
import { endpointRow } from '../../helpers/endpoint-row.ts'
import { eventRecord, eventsOf } from '../../helpers/event-records.ts'
import { attemptRow, backlogOf, leaseOf, NOW, order, page, remember, type World, wait } from './world.ts'

const NEVER_POLLED = { firstSeenAt: null, reached: null, clockAheadMs: null, refused: null }
const NO_WEBHOOKS = { webhookAt: null, unannounced: 0, unannouncedSince: null }

/** Connections, follows, endpoints, offsets: what is set up rather than observed. */
export function configurationContract(world: World): void {
  const kk = { id: 'kk', vendor: 'kakaclo', fingerprint: 'one' } as const

  describe('connections', () => {
    test('a connection is first seen when it is first configured as enabled, and that time stays', async () => {
      const { store } = world
      const shop = { id: 'seen', vendor: 'shoplazza', fingerprint: 'f' }
      const firstSeenAt = async () => (await store.connections.get('seen'))?.firstSeenAt
      await store.connections.configure([shop])
      expect(await firstSeenAt()).toBeNull()
      await store.connections.configure([{ ...shop, seenAt: 1_000 }])
      await store.connections.configure([{ ...shop, seenAt: 2_000 }])
      expect(await firstSeenAt()).toBe(1_000)
    })

    test('a configured connection starts without a past', async () => {
      const { connections } = world.store
      await connections.configure([kk])
      expect(await connections.get('kk')).toEqual({
        ...kk,
        cursor: null,
        gaps: [],
        state: 'ok',
        lastSuccessAt: null,
        nextPollAt: null,
        lastError: null,
        ...NEVER_POLLED,
        ...NO_WEBHOOKS,
      })
      expect(await connections.get('other')).toBeNull()
    })

    test('configuring again, also with another fingerprint, keeps cursor, gaps and state', async () => {
      const { store } = world
      await store.connections.configure([kk])
      const patch = {
        cursor: NOW,
        firstSeenAt: NOW - 5,
        reached: NOW + 7,
        clockAheadMs: 70_000,
        state: 'failing',
        lastError: 'x',
        nextPollAt: 9,
      } as const
      const gaps = [{ from: 1, to: 2 }]
      await store.connections.update(await leaseOf(store), 'kk', { ...patch, gaps: { opened: gaps } })
      await store.connections.configure([{ ...kk, fingerprint: 'two' }])
      expect(await store.connections.get('kk')).toEqual({
        ...kk,
        ...patch,
        gaps,
        ...NO_WEBHOOKS,
        refused: null,
        lastSuccessAt: null,
        fingerprint: 'two',
      })
    })

    test('a stopped connection is taken up by a changed fingerprint and by nothing else', async () => {
      const { store } = world
      await store.connections.configure([kk])
      await store.connections.update(await leaseOf(store), 'kk', { state: 'stopped' })
      await store.connections.configure([kk])
      expect(await store.connections.get('kk')).toMatchObject({ state: 'stopped' })
      await store.connections.configure([{ ...kk, fingerprint: 'two' }])
      expect(await store.connections.get('kk')).toMatchObject({ state: 'ok' })
    })

    test('an update changes what it names and leaves the rest; null is a value', async () => {
      const { store } = world
      await store.connections.configure([kk, { ...kk, id: 'other' }])
      const lease = await leaseOf(store)
      await store.connections.update(lease, 'kk', { cursor: 5, lastError: 'broken', lastSuccessAt: 4 })
      await store.connections.update(lease, 'kk', { lastError: null })
      await store.connections.update(lease, 'kk', {})
      expect(await store.connections.get('kk')).toMatchObject({ cursor: 5, lastError: null, lastSuccessAt: 4 })
      expect((await store.connections.list()).map(({ id, cursor }) => [id, cursor])).toEqual([
        ['kk', 5],
        ['other', null],
      ])
    })

    test('counts say how many orders and quarantine entries each has', async () => {
      const { store } = world
      const doubt = { path: 'p', value: 'v', reason: 'r' }
      const quarantine = [{ orderId: '1', entries: [doubt, { ...doubt, path: 'q' }], at: NOW }]
      await store.orders.commit(
        await leaseOf(store),
        page({ orders: [order('1'), order('2'), order('3')], quarantine }),
      )
      expect(await store.connections.counts()).toEqual(new Map([['shop', { orders: 3, quarantined: 2 }]]))
    })

    test('gaps that are opened and closed at the same time are all counted, none twice', async () => {
      const { store } = world
      await store.connections.configure([kk])
      const lease = await leaseOf(store)
      const gap = (from: number) => ({ from, to: from + 1 })
      const change = (gaps: { closed?: Window; opened: Window[] }) => store.connections.update(lease, 'kk', { gaps })
      await change({ opened: [gap(0)] })
      await Promise.all([
        ...Array.from({ length: 20 }, (_, n) => change({ opened: [gap(10 + n)] })),
        change({ closed: gap(0), opened: [gap(100), gap(200)] }),
      ])
      await change({ closed: gap(15), opened: [gap(100)] })
      const { gaps = [] } = (await store.connections.get('kk')) ?? {}
      const expected = [...Array.from({ length: 20 }, (_, n) => 10 + n), 100, 200].filter(from => from !== 15)
      expect(gaps.map(({ from }) => from).sort((a, b) => a - b)).toEqual(expected)
    })

    test('everything is there after a restart', async () => {
      await world.store.connections.configure([kk])
      await world.store.connections.update(await leaseOf(world.store), 'kk', {
        cursor: NOW,
        gaps: { opened: [{ from: 3, to: 4 }] },
      })
      await world.reopen()
      expect(await world.store.connections.get('kk')).toMatchObject({ cursor: NOW, gaps: [{ from: 3, to: 4 }] })
    })
  })

  describe('follows', () => {
    test('a new follow is due at once; putting it again keeps its buyer and makes it due', async () => {
      const { store } = world
      await store.follows.put('tuya', 'order', 'o1', 'u1', NOW)
      const [follow] = await store.follows.due('tuya', NOW, 10)
      if (!follow) throw new Error('a follow is due')
      expect(follow).toMatchObject({ connection: 'tuya', kind: 'order', id: 'o1', userId: 'u1', changedAt: NOW })
      await store.follows.reschedule(await leaseOf(store), [
        { ...follow, next: NOW + 9000, everyMs: 9000, changedAt: NOW + 1 },
      ])
      expect(await store.follows.due('tuya', NOW + 8999, 10)).toEqual([])

      await store.follows.put('tuya', 'order', 'o1', null, NOW + 5)
      expect(await store.follows.due('tuya', NOW + 5, 10)).toEqual([
        { ...follow, userId: 'u1', nextAt: NOW + 5, everyMs: 9000, changedAt: NOW + 1 },
      ])
      expect(await store.follows.count('tuya')).toBe(1)
    })

    test('one put again while it was read stays due', async () => {
      const { store } = world
      await store.follows.put('tuya', 'order', 'o1', null, NOW)
      const [read] = await store.follows.due('tuya', NOW, 10)
      if (!read) throw new Error('a follow is due')
      await store.follows.put('tuya', 'order', 'o1', null, NOW + 5)
      await store.follows.reschedule(await leaseOf(store), [
        { ...read, next: NOW + 9000, everyMs: 9000, changedAt: NOW + 1 },
      ])
      const [again] = await store.follows.due('tuya', NOW + 5, 10)
      expect(again).toEqual({ ...read, nextAt: NOW + 5, everyMs: 9000, changedAt: NOW + 1 })
    })

    test('an order and a user of the same id are two; connections are kept apart', async () => {
      const { follows } = world.store
      await follows.put('tuya', 'order', 'x', null, NOW)
      await follows.put('tuya', 'user', 'x', 'x', NOW)
      await follows.put('other', 'user', 'x', 'x', NOW)
      expect(await follows.count('tuya')).toBe(2)
      expect(await follows.count('other')).toBe(1)
    })

    test('due gives the earliest first and no more than asked for', async () => {
      const { follows } = world.store
      for (const [id, at] of [
        ['c', 3],
        ['a', 1],
        ['b', 2],
        ['later', 10],
      ] as const)
        await follows.put('tuya', 'order', id, null, NOW + at)
      expect((await follows.due('tuya', NOW + 5, 2)).map(follow => follow.id)).toEqual(['a', 'b'])
      expect((await follows.due('tuya', NOW + 5, 10)).map(follow => follow.id)).toEqual(['a', 'b', 'c'])
    })

    test('wake makes all of a connection due and counts them', async () => {
      const { follows } = world.store
      await follows.put('tuya', 'order', 'a', null, NOW + 5000)
      await follows.put('tuya', 'order', 'b', null, NOW - 5000)
      await follows.put('other', 'order', 'c', null, NOW + 5000)
      expect(await follows.wake('tuya', NOW)).toBe(2)
      expect((await follows.due('tuya', NOW, 10)).map(follow => follow.id)).toEqual(['b', 'a'])
      expect(await follows.due('other', NOW, 10)).toEqual([])
    })

    test('list pages through them in the order they were put', async () => {
      const { follows } = world.store
      for (const id of ['c', 'a', 'b']) await follows.put('tuya', 'order', id, null, NOW)
      const first = await follows.list('tuya', { limit: 2 })
      expect(first.map(follow => follow.id)).toEqual(['c', 'a'])
      const rest = await follows.list('tuya', { limit: 2, after: first.at(-1)?.n ?? 0 })
      expect(rest.map(follow => follow.id)).toEqual(['b'])
    })
  })

  describe('endpoints', () => {
    const endpoint = (id: string, own: Partial<EndpointRow> = {}) =>
      endpointRow({ id, types: ['order.paid'], delivery: { timeout: 5000 }, createdAt: NOW, updatedAt: NOW, ...own })

    test('what is inserted is read back whole, once an id', async () => {
      const { endpoints } = world.store
      const one = endpoint('one', {
        connections: ['shop'],
        formerSecrets: [
          { secret: 'old', until: NOW + 5 },
          { secret: 'older', until: NOW + 4 },
        ],
        declared: true,
      })
      expect(await endpoints.insert(one)).toBe(true)
      expect(await endpoints.insert(endpoint('one', { url: 'https://example.com/other' }))).toBe(false)
      expect(await endpoints.get('one')).toEqual(one)
      expect(await endpoints.list()).toEqual([one])
      expect(await endpoints.get('two')).toBeNull()
    })

    test('an update changes what it names and leaves the rest; null is a value', async () => {
      const { endpoints } = world.store
      await endpoints.insert(endpoint('one'))
      const patch = { types: null, state: 'disabled', stateReason: 'gone', delivery: null, updatedAt: NOW + 1 } as const
      expect(await endpoints.update('one', patch)).toBe(true)
      expect(await endpoints.get('one')).toEqual({ ...endpoint('one'), ...patch })
      expect(await endpoints.update('two', patch)).toBe(false)
      expect(await endpoints.update('one', {})).toBe(true)
      expect(await endpoints.update('two', {})).toBe(false)
      expect(await endpoints.update('one', { secret: 'new' }, { secret: 'another' })).toBe(false)
      expect(await endpoints.update('one', { secret: 'new' }, { secret: 'sealed', updatedAt: NOW })).toBe(false)
      expect(await endpoints.update('one', { secret: 'new' }, { secret: 'sealed', updatedAt: NOW + 1 })).toBe(true)
      expect(await endpoints.get('one')).toMatchObject({ secret: 'new' })
    })

    test('a rest it asks for stays until one that ends later, or until it is taken back; a time nobody may ask for gives way', async () => {
      const { endpoints } = world.store
      await endpoints.insert(endpoint('one'))
      await endpoints.insert(endpoint('two'))
      const rest = async () => (await endpoints.get('one'))?.restUntil
      await endpoints.rest('one', NOW + 60_000)
      await endpoints.rest('one', NOW + 30_000)
      expect(await rest()).toBe(NOW + 60_000)
      await endpoints.rest('one', NOW + 90_000)
      expect(await rest()).toBe(NOW + 90_000)
      await world.reopen()
      expect(await world.store.endpoints.get('one')).toEqual(endpoint('one', { restUntil: NOW + 90_000 }))
      expect(await world.store.endpoints.get('two')).toEqual(endpoint('two'))
      await world.store.endpoints.update('one', { restUntil: NOW + 30_000 + LONGEST_REST + 1 })
      await world.store.endpoints.rest('one', NOW + 30_000)
      await world.store.endpoints.rest('nobody', NOW)
      expect((await world.store.endpoints.get('one'))?.restUntil).toBe(NOW + 30_000)
      await world.store.endpoints.update('one', { restUntil: null })
      expect((await world.store.endpoints.get('one'))?.restUntil).toBeNull()
    })

    test('removing one takes its backlog, lanes, dead letters and attempts along, and nobody else’s', async () => {
      const { store } = world
      const events = eventsOf('a', 3)
      const [first] = events
      if (!first) throw new Error('three events')
      await remember(store, [eventRecord({ orderId: 'z' })])
      for (const id of ['one', 'two']) {
        await store.endpoints.insert(endpoint(id))
        await store.deliveries.record([attemptRow(first, { destination: id })])
      }
      await wait(store, 'one', events)
      await store.lanes.spill(
        events.map(event => ({ destination: 'two', event, origin: 'live' })),
        { nextAt: NOW, attempt: 0 },
      )
      for (const destination of ['one', 'two'])
        await store.lanes.deadLetter({
          destination,
          orderKey: first.orderKey,
          eventId: first.id,
          at: NOW,
          attempts: 3,
          lastError: 'x',
          hold: false,
        })

      expect(await store.endpoints.remove('one')).toBe(true)
      expect(await store.endpoints.remove('one')).toBe(false)
      expect(await store.endpoints.get('one')).toBeNull()
      expect(await backlogOf(store, 'one', first.orderKey)).toEqual([])
      expect(await backlogOf(store, 'two', first.orderKey)).toHaveLength(2)
      expect(await store.lanes.counts()).toEqual(new Map([['two', 1]]))
      expect(await store.deadLetters.counts()).toEqual(new Map([['two', 1]]))
      const left = async (id: string) => (await store.deliveries.latest(id, 10)).length > 0
      expect([await left('one'), await left('two')]).toEqual([false, true])
    })

    test('a new endpoint does not inherit what an earlier one of its name left', async () => {
      const { store } = world
      await wait(store, 'one', eventsOf('a', 2))
      await store.endpoints.insert(endpoint('one'))
      expect(await store.lanes.backlog()).toEqual(new Map())
      expect(await store.lanes.counts()).toEqual(new Map())
    })
  })

  describe('pauses', () => {
    test('of handlers outlive a restart, and are set and taken back any number of times', async () => {
      const { pauses } = world.store
      expect([...(await pauses.list())]).toEqual([])
      await pauses.pause('audit', NOW)
      await pauses.pause('audit', NOW + 1)
      await pauses.pause('print', NOW)
      await world.reopen()
      expect([...(await world.store.pauses.list())].sort()).toEqual(['audit', 'print'])
      await world.store.pauses.resume('audit')
      await world.store.pauses.resume('audit')
      expect([...(await world.store.pauses.list())]).toEqual(['print'])
    })
  })

  describe('offsets', () => {
    test('what is done beyond a position is written with it, and not with a lower one', async () => {
      const { offsets } = world.store
      expect(await offsets.ahead('g', 0)).toBeNull()
      await offsets.set('g', 0, 5, null, 'one')
      await offsets.set('g', 0, 5, null, 'two')
      expect([await offsets.get('g', 0), await offsets.ahead('g', 0)]).toEqual([5, 'two'])
      await offsets.set('g', 0, 4, null, 'late')
      expect([await offsets.get('g', 0), await offsets.ahead('g', 0)]).toEqual([5, 'two'])
      await world.reopen()
      expect(await world.store.offsets.ahead('g', 0)).toBe('two')
      await world.store.offsets.set('g', 0, 6)
      expect(await world.store.offsets.ahead('g', 0)).toBeNull()
    })

    test('a position is unknown, then the one that was set, for each group and partition', async () => {
      const { offsets } = world.store
      expect(await offsets.get('g', 0)).toBeNull()
      await offsets.set('g', 0, 5)
      await offsets.set('g', 1, 7)
      await offsets.set('h', 0, 9)
      expect([await offsets.get('g', 0), await offsets.get('g', 1), await offsets.get('h', 0)]).toEqual([5, 7, 9])
      await world.reopen()
      expect(await world.store.offsets.get('g', 0)).toBe(5)
    })

    test('a position never goes back', async () => {
      const { offsets } = world.store
      await offsets.set('g', 0, 5)
      await offsets.set('g', 0, 3)
      expect(await offsets.get('g', 0)).toBe(5)
      await offsets.set('g', 0, 6)
      expect(await offsets.get('g', 0)).toBe(6)
    })

    test('a position beyond all that the history ever had is set to the beginning, once, and others stay', async () => {
      const { offsets, verify } = world.store
      const { last, given } = await verify.history()
      const end = Math.max(last, given)
      await offsets.set('ahead', 0, end + 1)
      await offsets.set('at', 0, Math.max(end, 1) - 1)
      expect(await offsets.rewind('ahead', 0)).toBe(end + 1)
      expect(await offsets.rewind('ahead', 0)).toBeNull()
      expect(await offsets.rewind('at', 0)).toBeNull()
      expect(await offsets.rewind('unknown', 0)).toBeNull()
      await world.reopen()
      expect(await world.store.offsets.get('ahead', 0)).toBe(0)
    })

    test('of a reader that lost its lease moves no more, however late it comes', async () => {
      const { offsets, leases } = world.store
      const first = await leases.takeOver('process', 'first')
      await offsets.set('g', 0, 5, first)
      const second = await leases.takeOver('process', 'second')
      const late = (store: Store) => store.offsets.set('g', 0, 7, first, 'by the former reader')
      await expect(late(world.store)).rejects.toMatchObject({ code: LEASE_LOST })
      expect([await offsets.get('g', 0), await offsets.ahead('g', 0)]).toEqual([5, null])
      await offsets.set('g', 0, 6, second)
      await world.reopen()
      await expect(late(world.store)).rejects.toMatchObject({ code: LEASE_LOST })
      expect(await world.store.offsets.get('g', 0)).toBe(6)
    })
  })

  test('check says what answered', async () => {
    expect(await world.store.check()).toMatch(/schema \d+/)
  })
}
