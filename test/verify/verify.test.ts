import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Connection } from '../../schemas/config.ts'
import type { OrderSnapshot } from '../../schemas/order.ts'
import type { VerifyLine } from '../../schemas/verify-line.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { decide } from '../../src/order/decide.ts'
import { NEW_ORDER } from '../../src/order/state.ts'
import type { Lease } from '../../src/store/port/leases.ts'
import type { Store } from '../../src/store/store.ts'
import type { VendorDeps } from '../../src/verify/against-vendor.ts'
import { verify } from '../../src/verify/verify.ts'
import { paid, parcel, snapshot } from '../helpers/snapshots.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { unreadLog } from '../helpers/unread-log.ts'

const NOW = Date.parse('2026-03-05T12:00:00.000Z')
const slept: number[] = []
const clock: Clock = { ...systemClock(), now: () => NOW, sleep: async ms => void slept.push(ms) }
const shop = Connection.parse({
  id: 'shop',
  vendor: 'shoplazza',
  baseUrl: 'http://127.0.0.1:1/openapi/2022-01',
  accessToken: 't',
})

let store: Store
let lease: Lease
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let shown: Map<string, OrderSnapshot>
let reads: string[][]
let failures: AppError[]

beforeEach(async () => {
  folder = await temporaryFolder()
  store = await openTestSqlite({ folder: folder.path, clock })
  await store.connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
  const taken = await store.leases.acquire('test', 'test', 60_000, NOW)
  if (!taken) throw new Error('the lease is free')
  lease = taken
  shown = new Map()
  reads = []
  failures = []
  slept.length = 0
})
afterEach(async () => {
  await store.close()
  await folder.remove()
})

const tamper = (statement: string) => {
  const database = new DatabaseSync(join(folder.path, 'orderwire.db'))
  database.exec(statement)
  database.close()
}

/** The order as it is seen, told, and shown by the vendor. */
async function seen(orderId: string, own: Partial<OrderSnapshot> = {}, observedAt = NOW - 1000): Promise<void> {
  const before = await store.orders.get('shop', orderId)
  const current = snapshot({ orderId, paid: paid(), packages: [parcel('p-1'), parcel('p-2')], ...own })
  const observation = { connection: 'shop', vendor: 'shoplazza', snapshot: current, observedAt } as const
  const { state, events, recheckAt } = decide(before?.state ?? NEW_ORDER, observation)
  const row = { connection: 'shop', orderId, userId: null, digest: '', state, snapshot: current, observedAt, recheckAt }
  await store.orders.commit(lease, { connection: 'shop', orders: [row], events, published: true, quarantine: [] })
  shown.set(orderId, current)
}

const vendor: Pick<VendorDeps, 'read' | 'poll'> = {
  read: async (_, orders) => {
    reads.push(orders.map(({ orderId }) => orderId))
    const failure = failures.shift()
    if (failure) throw failure
    return {
      snapshots: orders.flatMap(({ orderId }) => shown.get(orderId) ?? []),
      rejects: orders.flatMap(({ orderId }) =>
        orderId.startsWith('odd') && !shown.has(orderId)
          ? [{ orderId, path: 'id', value: '{}', reason: 'expected text' }]
          : [],
      ),
    }
  },
  poll: async (_, { orderId }) => {
    const known = new Set((await store.events.ofOrder('shop', orderId)).map(({ id }) => id))
    await seen(orderId, shown.get(orderId) ?? {})
    return new Set((await store.events.ofOrder('shop', orderId)).flatMap(({ id }) => (known.has(id) ? [] : [id])))
  },
}

async function lines(own: { repair?: boolean; orders?: number; connections?: string[] } = {}): Promise<VerifyLine[]> {
  const found: VerifyLine[] = []
  const signal = new AbortController().signal
  const eventLog = unreadLog
  const deps = { store, clock, signal, eventLog, ...vendor, destinations: async () => new Set(['billing']) }
  for await (const line of verify(deps, {
    connections: own.connections ? new Set(own.connections) : null,
    repair: own.repair ?? false,
    vendors: own.orders === undefined ? null : { connections: [shop], orders: own.orders },
  }))
    if (line.type !== 'progress') found.push(line)
  return found
}

const checks = async (own: Parameters<typeof lines>[0] = {}) =>
  (await lines(own)).flatMap(line => (line.type === 'finding' ? [line.check] : []))

describe('a store', () => {
  beforeEach(async () => {
    await seen('a')
    await seen('b')
  })
  const wait = async () => {
    const events = await store.events.list({}, { limit: 10 })
    await store.lanes.spill(
      events.map(event => ({ destination: 'billing', event, origin: 'live' })),
      { nextAt: NOW, attempt: 0 },
    )
  }

  test('as the program leaves it has no finding, and is left as it is', async () => {
    await wait()
    expect(await lines()).toEqual([
      {
        type: 'summary',
        problems: 0,
        infos: 0,
        repaired: 0,
        orders: 2,
        events: 6,
        lanes: 2,
        backlog: 6,
        deadLetters: 0,
      },
    ])
  })

  test.each<[string, string, string[], string[]]>([
    ['a lane without a backlog', `delete from backlog where order_key = 'shop/a'`, ['lane.empty'], []],
    [
      'a backlog without a lane',
      `delete from lanes where order_key = 'shop/a'`,
      ['lane.missing', 'lane.missing', 'lane.missing'],
      [],
    ],
    ['a lane held by nobody', `update lanes set held = 1 where order_key = 'shop/a'`, ['lane.held'], []],
    [
      'a backlog of a lost event',
      `update backlog set event_id = 'evt_x' where order_key = 'shop/a' and sequence = 1`,
      ['backlog.event_missing'],
      [],
    ],
    ['a position ahead of everything', `insert into offsets values ('dispatch', 0, 99, null)`, ['offset.ahead'], []],
    [
      'a backlog in a wrong place',
      `update backlog set sequence = 9 where order_key = 'shop/a' and sequence = 3`,
      ['backlog.disagrees'],
      ['backlog.disagrees'],
    ],
    [
      'an event lost',
      `delete from backlog; delete from lanes; delete from events where order_id = 'a' and sequence = 2`,
      ['order.gap'],
      ['order.gap'],
    ],
    [
      'an order lost',
      `delete from orders where order_id = 'a'`,
      ['event.no_order', 'event.no_order', 'event.no_order'],
      ['event.no_order', 'event.no_order', 'event.no_order'],
    ],
    [
      'an event not published',
      `update events set observed_at = 0 where n = (select min(n) from events);
        insert into unpublished (connection, n) select connection, min(n) from events group by connection`,
      ['event.disagrees', 'event.unpublished'],
      ['event.disagrees', 'event.unpublished'],
    ],
    [
      'a counter behind',
      `update sqlite_sequence set seq = 2 where name = 'events'`,
      ['history.numbers'],
      ['history.numbers'],
    ],
    [
      'a backlog of nobody',
      `update lanes set destination = 'gone'; update backlog set destination = 'gone'`,
      ['destination.unknown'],
      ['destination.unknown'],
    ],
    [
      'a replay to nobody',
      `insert into replays (destination, filter, opening, queued, created_at) values ('gone', '{}', 0, '[]', 1)`,
      ['replay.unknown'],
      ['replay.unknown'],
    ],
    ['a look back', `update connections set gaps = '[{"from":1,"to":2}]'`, ['connection.gap'], ['connection.gap']],
  ])('with %s has a finding, and repairs what is safe', async (_, statement, found, left) => {
    await wait()
    tamper(statement)
    expect(await checks()).toEqual(found)
    expect(await checks()).toEqual(found)
    const repaired = await lines({ repair: true })
    expect(repaired.flatMap(line => (line.type === 'finding' && line.repaired ? [line.check] : []))).toEqual(
      left.length === 0 ? found : [],
    )
    expect(repaired.at(-1)).toMatchObject({ repaired: left.length === 0 ? found.length : 0 })
    expect(await checks()).toEqual(left)
  })

  test('with dead letters that belong to nothing has findings', async () => {
    await wait()
    const [event] = await store.events.list({}, { limit: 1 })
    if (!event) throw new Error('there is an event')
    const letter = { destination: 'billing', orderKey: event.orderKey, eventId: event.id, at: NOW, attempts: 1 }
    await store.lanes.deadLetter({ ...letter, lastError: 'x', hold: true })
    expect(await checks()).toEqual([])
    tamper('update lanes set held = 0')
    expect(await checks()).toEqual(['dead_letter.not_held'])
    tamper(`update dead_letters set event_id = 'evt_gone'`)
    expect(await checks({ repair: true })).toEqual(['dead_letter.event_missing'])
    expect(await checks()).toEqual([])
  })

  test('is checked for one connection only, on request', async () => {
    tamper(`delete from events where order_id = 'a' and sequence = 2`)
    expect(await checks({ connections: ['other'] })).toEqual([])
    expect(await checks({ connections: ['shop'] })).toEqual(['order.gap'])
  })

  test('has no finding for events that retention removed', async () => {
    await seen('c', {}, NOW)
    tamper(`update events set observed_at = 0 where sequence = 1 and order_id <> 'c'`)
    await store.prune({ events: 1, attempts: 0, deadLetters: 0, reader: null, now: NOW }, new AbortController().signal)
    expect(await checks()).toEqual([])
  })
})

describe('against the vendor', () => {
  const cursor = (at: number) => store.connections.update(lease, 'shop', { cursor: at })
  const tally = (found: readonly VerifyLine[]) => found.find(line => line.type === 'connection')

  test('orders that agree are counted, the latest first, and no more than asked for', async () => {
    for (const [index, id] of ['a', 'b', 'c'].entries()) await seen(id, {}, NOW - 10_000 + index)
    const found = await lines({ orders: 2 })
    expect(reads.map(ids => ids.toSorted())).toEqual([['b', 'c']])
    expect(tally(found)).toMatchObject({ connection: 'shop', orders: 2, agreeing: 6, missing: 0, late: 0 })
    expect(found).toHaveLength(2)
  })

  test('a fact newer than the last reading will come by itself; a skipped one will not', async () => {
    await cursor(NOW)
    for (const id of ['fresh', 'old']) await seen(id)
    const more = { paid: paid(), packages: [parcel('p-1'), parcel('p-2'), parcel('p-3')] }
    shown.set('fresh', snapshot({ orderId: 'fresh', ...more, updatedAt: new Date(NOW - 1000).toISOString() }))
    shown.set('old', snapshot({ orderId: 'old', ...more, updatedAt: new Date(NOW - 3_600_000).toISOString() }))
    const found = await lines({ orders: 10 })
    expect(found.flatMap(line => (line.type === 'finding' ? [[line.check, line.where.order]] : []))).toEqual([
      ['vendor.late', 'fresh'],
      ['vendor.missing', 'old'],
    ])
    expect(tally(found)).toMatchObject({ missing: 1, late: 1, agreeing: 6 })
    expect(found.at(-1)).toMatchObject({ problems: 1, infos: 1 })
  })

  test('a missing fact of an order that was read as it is shown was skipped, however fresh', async () => {
    await cursor(NOW)
    await seen('a', { updatedAt: new Date(NOW).toISOString() })
    tamper(`delete from events where sequence = 3`)
    tamper(`update orders set state = json_replace(state, '$.sequence', 2, '$.said', json('["paid","shipped:p-1"]'))`)
    expect(await checks({ orders: 1 })).toEqual(['vendor.missing'])
    const [finding] = await lines({ orders: 1, repair: true })
    expect(finding).toMatchObject({ check: 'vendor.missing', repaired: true })
    expect(await checks({ orders: 1 })).toEqual([])
    expect((await store.events.ofOrder('shop', 'a')).map(({ sequence }) => sequence)).toEqual([1, 2, 3])
  })

  test('a missing fact of a followed order comes when the order is due', async () => {
    await cursor(NOW)
    await seen('a')
    shown.set(
      'a',
      snapshot({ orderId: 'a', updatedAt: null, paid: paid(), packages: ['1', '2', '3'].map(id => parcel(`p-${id}`)) }),
    )
    expect(await checks({ orders: 1 })).toEqual(['vendor.missing'])
    await store.follows.put('shop', 'order', 'a', null, NOW + 5000)
    expect(await checks({ orders: 1 })).toEqual(['vendor.late'])
  })

  test('unknown orders and unreadable orders are different findings', async () => {
    for (const id of ['a', 'odd', 'lost']) await seen(id)
    shown.delete('odd')
    shown.delete('lost')
    expect((await checks({ orders: 10 })).toSorted()).toEqual(['vendor.not_found', 'vendor.unreadable'])
  })

  test('the pause that a vendor asks for is kept', async () => {
    await seen('a')
    failures.push(new AppError('slow down', { code: 'vendor.rate_limited', intent: 'retry', retryAfterMs: 7000 }))
    expect(await checks({ orders: 1 })).toEqual([])
    expect(slept.filter(ms => ms >= 1000)).toEqual([7000])
  })

  test('an order that cannot be read affects no other', async () => {
    for (const [index, id] of ['a', 'b', 'c'].entries()) await seen(id, {}, NOW + index)
    failures.push(...[1, 2, 3, 4].map(() => new AppError('broken', { code: 'vendor.failed', intent: 'retry' })))
    const found = await lines({ orders: 3 })
    expect(found[0]).toMatchObject({ check: 'vendor.unreached', where: { order: expect.any(String) } })
    expect(tally(found)).toMatchObject({ orders: 2, unread: 1 })
  })

  test('refused credentials are one finding, and nothing more is read', async () => {
    for (let index = 0; index < 60; index++) await seen(`o${index}`)
    failures.push(new AppError('The token is refused.', { code: 'vendor.unauthorized', intent: 'stop' }))
    const found = await lines({ orders: 60 })
    expect(reads).toHaveLength(1)
    expect(found[0]).toMatchObject({
      check: 'vendor.unreached',
      what: expect.stringContaining('The token is refused.'),
    })
    expect(tally(found)).toMatchObject({ orders: 0, unread: 60 })
  })
})

test('other work runs between the pages of a large store', async () => {
  for (let index = 0; index < 150; index++) await seen(`o${index}`)
  slept.length = 0
  await lines()
  // Two pages of orders, five of events.
  expect(slept).toHaveLength(7)
})
