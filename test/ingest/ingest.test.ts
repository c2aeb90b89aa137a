import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Connection } from '../../schemas/config.ts'
import type { OrderSnapshot } from '../../schemas/order.ts'
import { OrderEvent } from '../../schemas/order-event.ts'
import { AppError } from '../../src/errors.ts'
import type { EventLog } from '../../src/event-log/event-log.ts'
import { createIngest } from '../../src/ingest/ingest.ts'
import { createMetrics } from '../../src/observe.ts'
import type { OrderSource } from '../../src/sources/source.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { gist } from '../helpers/decided.ts'
import { recordingLog } from '../helpers/quiet.ts'
import { type FeedScript, MINUTE_START, ordersUpdatedAt, scriptedFeed } from '../helpers/scripted-feed.ts'
import { shiftedClock } from '../helpers/shifted-clock.ts'
import { paid, parcel, refundRecord, refundTotal, snapshot } from '../helpers/snapshots.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const clock = shiftedClock()
const signal = new AbortController().signal
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let store: Store

beforeEach(async () => {
  folder = await temporaryFolder()
  store = await openSqlite({ folder: folder.path, clock })
})
afterEach(async () => {
  await store.close()
  await folder.remove()
})

/** An event log that keeps what it was given; `refuses` makes it unreachable. */
function memoryLog(kind: EventLog['kind'] = 'kafka') {
  const appended: string[] = []
  const control = { refuses: false, appended }
  const log: EventLog = {
    kind,
    partitions: 1,
    partitionOf: () => 0,
    append: async events => {
      if (control.refuses)
        throw new AppError('The brokers cannot be reached.', { code: 'log.unreachable', intent: 'retry' })
      appended.push(...events.map(({ id }) => id))
    },
    consume: () => Promise.reject(new Error('not consumed here')),
    health: () => null,
    check: async () => 'memory',
    close: async () => {},
  }
  return { ...control, control, log }
}

interface Scene {
  script: FeedScript
  fetched?: OrderSnapshot[]
  /** What reading single orders fails with, given their ids. */
  fetchFails?: (orderIds: readonly string[]) => AppError | null
  complete?: OrderSource['complete']
  backfill?: string
  eventLog?: EventLog
  /** The vendor's present. */
  now?: number
  /** Every pause is this many times shorter. */
  hurry?: number
}

async function scene({
  script,
  fetched = [],
  fetchFails = () => null,
  complete,
  backfill,
  eventLog = memoryLog('embedded').log,
  now = MINUTE_START + 60_000,
  hurry = 1,
}: Scene) {
  const { feed, requests } = scriptedFeed(script)
  const fetches: string[][] = []
  const source: OrderSource = {
    vendor: 'shoplazza',
    feed,
    fetch: async refs => {
      fetches.push(refs.map(({ orderId }) => orderId))
      const asked = new Set(refs.map(({ orderId }) => orderId))
      const failure = fetchFails([...asked])
      if (failure) throw failure
      return { orders: fetched.filter(({ orderId }) => asked.has(orderId)), rejects: [] }
    },
    check: async () => 'scripted',
    ...(complete ? { complete } : {}),
  }
  const config = Connection.parse({
    id: 'shop',
    vendor: 'shoplazza',
    baseUrl: 'http://127.0.0.1:1/openapi/2022-01',
    accessToken: 't',
    pollEvery: '50ms',
    ...(backfill ? { backfill } : {}),
  })
  await store.connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
  const { log, lines } = recordingLog()
  const ingest = createIngest({
    connections: [{ config, source, vendorNow: async () => now }],
    store,
    eventLog,
    owner: 'one',
    clock: { ...clock, sleep: (ms, until) => clock.sleep(ms / hurry, until) },
    log,
    metrics: createMetrics(),
  })
  return { ingest, requests, fetches, lines }
}

const history = async () =>
  (await store.events.list({}, { limit: 250 })).map(({ body }) => OrderEvent.parse(JSON.parse(body)))
const gists = async () => (await history()).map(event => `${event.data.orderId} ${gist(event)}`)

describe('a poll', () => {
  test('stores what the rows prove, moves the cursor, and says nothing the second time', async () => {
    const rows = ordersUpdatedAt([1, 2, 3]).map(row => ({ ...row, paid: paid() }))
    const { ingest } = await scene({ script: { rows } })
    const first = await ingest.poll('shop', { signal })
    const second = await ingest.poll('shop', { signal })
    expect([first.orders, first.events.length, second.orders, second.events.length]).toEqual([3, 3, 3, 0])
    expect(await gists()).toEqual(['o-1 paid 20.00', 'o-2 paid 20.00', 'o-3 paid 20.00'])
    expect(await store.connections.get('shop')).toMatchObject({
      cursor: MINUTE_START + 60_000,
      state: 'ok',
      lastError: null,
    })
  })

  test('case 13: a row that appears behind the cursor is found by the overlap and emitted once', async () => {
    const script: FeedScript = { rows: [] }
    const { ingest } = await scene({ script })
    await ingest.poll('shop', { signal })
    script.rows = ordersUpdatedAt([-300]).map(row => ({ ...row, paid: paid() }))
    await ingest.poll('shop', { signal })
    await ingest.poll('shop', { signal })
    expect(await gists()).toEqual(['o-1 paid 20.00'])
  })

  test('case 40: an order that vanishes from the list yields nothing', async () => {
    const script: FeedScript = { rows: ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid() })) }
    const { ingest } = await scene({ script })
    await ingest.poll('shop', { signal })
    script.rows = []
    expect((await ingest.poll('shop', { signal })).events).toEqual([])
  })

  test('that fails on a later page keeps what the earlier pages proved and does not move the cursor', async () => {
    const rows = ordersUpdatedAt([1, 2, 3]).map(row => ({ ...row, paid: paid() }))
    const script: FeedScript = {
      rows,
      before: ({ page }) => {
        if (page === 2) throw new AppError('The vendor answered 500.', { code: 'vendor.failed', intent: 'retry' })
        return undefined
      },
    }
    const { ingest } = await scene({ script })
    await expect(ingest.poll('shop', { signal })).rejects.toThrow('answered 500')
    expect(await store.connections.get('shop')).toMatchObject({
      cursor: null,
      state: 'failing',
      lastError: 'The vendor answered 500.',
    })
    expect(await gists()).toEqual(['o-1 paid 20.00', 'o-2 paid 20.00'])
    delete script.before
    await ingest.poll('shop', { signal })
    expect(await gists()).toEqual(['o-1 paid 20.00', 'o-2 paid 20.00', 'o-3 paid 20.00'])
  })

  test('whose credentials are refused stops the connection, and a poll by hand takes it up again', async () => {
    const script: FeedScript = {
      rows: [],
      before: () => {
        throw new AppError('The vendor refused the token.', { code: 'vendor.unauthorized', intent: 'stop' })
      },
    }
    const { ingest } = await scene({ script })
    await expect(ingest.poll('shop', { signal })).rejects.toThrow('refused the token')
    const row = await store.connections.get('shop')
    expect(row?.state).toBe('stopped')
    expect((row?.nextPollAt ?? 0) - clock.now()).toBeGreaterThan(14 * 60_000)
    delete script.before
    await ingest.poll('shop', { signal })
    expect((await store.connections.get('shop'))?.state).toBe('ok')
  })

  test('sets a bad row aside, visibly, and delivers the rest of the page', async () => {
    const rows = ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid() }))
    const rejects = [{ orderId: 'o-9', path: 'id', value: '12345678901234567890', reason: 'the id is not exact' }]
    const { ingest } = await scene({ script: { rows, rejects } })
    const { quarantined } = await ingest.poll('shop', { signal })
    await ingest.poll('shop', { signal })
    expect(quarantined).toBe(1)
    expect(await gists()).toEqual(['o-1 paid 20.00'])
    expect(await store.quarantine.list({}, { limit: 10 })).toMatchObject([
      { connection: 'shop', orderId: 'o-9', path: 'id' },
    ])
  })

  test('clears the quarantine of an order once it can be read', async () => {
    const doubts = [{ path: 'pay_status', value: '"odd"', reason: 'not a known status' }]
    const script: FeedScript = { rows: ordersUpdatedAt([1]).map(row => ({ ...row, doubts })) }
    const { ingest } = await scene({ script })
    await ingest.poll('shop', { signal })
    expect(await store.quarantine.list({}, { limit: 10 })).toHaveLength(1)
    script.rows = ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid() }))
    await ingest.poll('shop', { signal })
    expect(await store.quarantine.list({}, { limit: 10 })).toHaveLength(0)
  })

  test('run dry returns the events and stores nothing', async () => {
    const { ingest } = await scene({ script: { rows: ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid() })) } })
    const { events } = await ingest.poll('shop', { signal, dryRun: true })
    expect(events.length).toBe(1)
    expect([await gists(), (await store.connections.get('shop'))?.cursor]).toEqual([[], null])
  })

  test('of one order reads just that order', async () => {
    const { ingest, requests, fetches } = await scene({
      script: { rows: [] },
      fetched: [snapshot({ orderId: 'o-7', paid: paid() })],
    })
    await ingest.poll('shop', { signal, orderId: 'o-7' })
    expect([await gists(), requests.length, fetches]).toEqual([['o-7 paid 20.00'], 0, [['o-7']]])
  })

  test('names the connections there are when asked for one there is not', async () => {
    const { ingest } = await scene({ script: { rows: [] } })
    await expect(ingest.poll('nope', { signal })).rejects.toThrow('there are: shop')
  })
})

describe('completing', () => {
  test('is asked for changed orders only', async () => {
    const asked: string[][] = []
    const complete: OrderSource['complete'] = async snapshots => {
      asked.push(snapshots.map(({ orderId }) => orderId))
      return snapshots
    }
    const script: FeedScript = { rows: ordersUpdatedAt([1, 2]) }
    const { ingest } = await scene({ script, complete })
    await ingest.poll('shop', { signal })
    script.rows = script.rows.map(row => (row.orderId === 'o-2' ? { ...row, paid: paid() } : row))
    await ingest.poll('shop', { signal })
    expect(asked).toEqual([['o-1', 'o-2'], ['o-2']])
  })

  test('a refund whose record is late is read again on time, though the order does not change', async () => {
    const updatedAt = new Date(clock.now()).toISOString()
    const row = snapshot({ updatedAt, refund: refundTotal('5.00', { records: 'delayed' }) })
    const { ingest, fetches } = await scene({
      script: { rows: [row] },
      now: clock.now(),
      fetched: [snapshot({ updatedAt, refund: refundTotal('5.00', { records: [refundRecord('r-1', '5.00')] }) })],
    })
    await ingest.poll('shop', { signal })
    const [due] = await store.orders.due('shop', clock.now() + 6_000, 10)
    expect(due?.orderId).toBe('o-1')
    clock.shift(6_000)
    await ingest.poll('shop', { signal })
    expect([await gists(), fetches]).toEqual([['o-1 refunded 5.00'], [['o-1']]])
  })
})

describe('a long look back', () => {
  test('is read beside the polls, all of it, once', async () => {
    const seconds = Array.from({ length: 120 }, (_, i) => -3_600 - i * 600)
    const rows = ordersUpdatedAt(seconds).map(row => ({ ...row, paid: paid() }))
    const { ingest } = await scene({ script: { rows, pageSize: 2 }, backfill: '30d' })
    const first = await ingest.poll('shop', { signal })
    expect(first.events.length).toBeLessThan(120)
    expect((await store.connections.get('shop'))?.gaps.length).toBe(1)
    const stop = new AbortController()
    const running = ingest.run(stop.signal)
    await until('the gap is read', async () => (await store.connections.get('shop'))?.gaps.length === 0)
    stop.abort()
    await running
    expect(new Set((await history()).map(({ id }) => id)).size).toBe(120)
    expect((await store.events.list({}, { limit: 250 })).length).toBe(120)
  })
})

describe('publishing', () => {
  test('happens in order, and what a dead process left is published first', async () => {
    const { log: eventLog, appended } = memoryLog()
    const rows = ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid(), packages: [parcel('p-1')] }))
    const { ingest } = await scene({ script: { rows }, eventLog })
    await ingest.poll('shop', { signal })
    expect(appended).toEqual((await history()).map(({ id }) => id))
    expect(await store.events.unpublished('shop', 10)).toEqual([])
  })

  test('waits for a log that cannot be reached while polling goes on, and catches up in order', async () => {
    const memory = memoryLog()
    memory.control.refuses = true
    const script: FeedScript = { rows: ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid() })) }
    const { ingest } = await scene({ script, eventLog: memory.log })
    const stop = new AbortController()
    const running = ingest.run(stop.signal)
    await until('the first is stored', async () => (await gists()).length === 1)
    script.rows = script.rows.map(row => ({ ...row, packages: [parcel('p-1')] }))
    await until('the second is stored', async () => (await gists()).length === 2)
    expect(memory.appended).toEqual([])
    memory.control.refuses = false
    await until('both are published', () => memory.appended.length === 2)
    stop.abort()
    await running
    expect(memory.appended).toEqual((await history()).map(({ id }) => id))
  })
})

test('what the first pages of a failing poll proved is published', async () => {
  const memory = memoryLog()
  const script: FeedScript = {
    rows: ordersUpdatedAt([1, 2, 3]).map(row => ({ ...row, paid: paid() })),
    before: ({ page }) => {
      if (page === 2) throw new AppError('The vendor answered 500.', { code: 'vendor.failed', intent: 'retry' })
      return undefined
    },
  }
  const { ingest } = await scene({ script, eventLog: memory.log })
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  await until('the first page is published', () => memory.appended.length === 2)
  stop.abort()
  await running
  expect(await gists()).toEqual(['o-1 paid 20.00', 'o-2 paid 20.00'])
})

test('a process whose lease passed to another writes nothing', async () => {
  const script: FeedScript = { rows: ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid() })) }
  const { ingest, lines } = await scene({ script })
  script.before = () => {
    script.before = () => undefined
    return undefined
  }
  const lease = await store.leases.acquire('connection/shop', 'other', 60_000, clock.now())
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  await expect(ingest.poll('shop', { signal })).rejects.toThrow('Another process works the connection shop')
  stop.abort()
  await running
  expect([lease?.owner, await gists(), lines.filter(({ level }) => level >= 50)]).toEqual(['other', [], []])
})

test('calls for one order within a second are one or two fetches', async () => {
  const { ingest, fetches } = await scene({
    script: { rows: [] },
    fetched: [snapshot({ orderId: 'o-7', paid: paid() })],
  })
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  for (let i = 0; i < 100; i++) ingest.refetch('shop', 'o-7')
  await until('the order is read', async () => (await gists()).length === 1)
  for (let i = 0; i < 100; i++) ingest.refetch('shop', 'o-7')
  await until('it is read again', () => fetches.length === 2)
  stop.abort()
  await running
  expect(fetches).toEqual([['o-7'], ['o-7']])
})

const broken = (orderIds: readonly string[]) =>
  orderIds.includes('o-broken') ? new AppError('answered 500', { code: 'vendor.unavailable', intent: 'retry' }) : null

test('an order that cannot be read holds up no other that was asked for', async () => {
  const { ingest, fetches } = await scene({
    script: { rows: [] },
    fetched: [snapshot({ orderId: 'o-7', paid: paid() }), snapshot({ orderId: 'o-8', paid: paid() })],
    fetchFails: broken,
  })
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  for (const orderId of ['o-7', 'o-broken']) ingest.refetch('shop', orderId)
  await until('the other is read', async () => (await gists()).length === 1)
  ingest.refetch('shop', 'o-8')
  await until('one asked for later is read', async () => (await gists()).length === 2)
  stop.abort()
  await running
  expect(fetches.filter(([orderId, ...more]) => orderId === 'o-broken' && more.length === 0)).toHaveLength(1)
})

test('an order that must be read again and cannot be holds up no poll', async () => {
  const { ingest, lines } = await scene({
    script: { rows: ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid() })) },
    fetchFails: broken,
  })
  await store.follows.put('shop', 'order', 'o-broken', null, clock.now())
  const { events } = await ingest.poll('shop', { signal })
  expect(events).toHaveLength(1)
  expect(lines.filter(({ level }) => level === 40)).toMatchObject([{ orders: 1, error: 'answered 500' }])
})

test('while the credentials are refused, no order is asked for until a poll went well', async () => {
  const refused = new AppError('answered 401', { code: 'vendor.unauthorized', intent: 'stop' })
  let trusted = false
  const script: FeedScript = {
    rows: [],
    before: () => {
      if (!trusted) throw refused
      return undefined
    },
  }
  const { ingest, fetches } = await scene({
    script,
    fetched: [snapshot({ orderId: 'o-7', paid: paid() })],
    fetchFails: () => (trusted ? null : refused),
    hurry: 1_000, // a retry after 15 ms, a probe after 900 ms
  })
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  ingest.refetch('shop', 'o-7')
  await until('it was refused', () => fetches.length === 1)
  const refusedAt = clock.monotonic()
  await until('many retries could have been', () => clock.monotonic() - refusedAt > 200)
  expect(fetches).toHaveLength(1)
  trusted = true
  await ingest.poll('shop', { signal })
  await until('the order is read', async () => (await gists()).length === 1)
  stop.abort()
  await running
})

test('an order that another process was asked to read is read with the next poll, once', async () => {
  const { ingest, fetches } = await scene({
    script: { rows: [] },
    fetched: [snapshot({ orderId: 'o-7', paid: paid() })],
  })
  await store.follows.put('shop', 'order', 'o-7', null, clock.now())
  await ingest.poll('shop', { signal })
  await ingest.poll('shop', { signal })
  expect([await gists(), fetches]).toEqual([['o-7 paid 20.00'], [['o-7']]])
})
