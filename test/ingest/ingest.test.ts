import { describe, expect, test } from 'vitest'
import { AppError } from '../../src/lib/errors.ts'
import type { OrderSource } from '../../src/sources/source.ts'
import { type FeedScript, MINUTE_START, ordersUpdatedAt } from '../helpers/scripted-feed.ts'
import { paid, refundRecord, refundTotal, snapshot } from '../helpers/snapshots.ts'
import { until } from '../helpers/until.ts'
import { clock, gists, newStoreForEachTest, scene, signal, store } from './scene.ts'

newStoreForEachTest()

describe('a poll', () => {
  test('stores the proven events, moves the cursor, and yields nothing the second time', async () => {
    const rows = ordersUpdatedAt([1, 2, 3]).map(row => ({ ...row, paid: paid() }))
    const { ingest } = await scene({ script: { rows } })
    const first = await ingest.poll('shop', { signal })
    const second = await ingest.poll('shop', { signal })
    expect([first.orders, first.events.length, second.orders, second.events.length]).toEqual([3, 3, 3, 0])
    expect(await gists()).toEqual(['o-1 paid 20.00', 'o-2 paid 20.00', 'o-3 paid 20.00'])
    const row = await store.connections.get('shop')
    expect(row).toMatchObject({ state: 'ok', lastError: null })
    // The vendor's clock stands, so it loses what the poll took.
    expect(row?.cursor).toBeGreaterThan(MINUTE_START)
    expect(row?.cursor).toBeLessThanOrEqual(MINUTE_START + 60_000)
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

  test('that fails on a later page keeps the events of the earlier pages and does not move the cursor', async () => {
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

  test('whose credentials are refused stops the connection, and a poll on request starts it again', async () => {
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

  test('quarantines a bad row and publishes the rest of the page', async () => {
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

  test('as a dry run returns the events and stores nothing', async () => {
    const { ingest } = await scene({ script: { rows: ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid() })) } })
    const { events } = await ingest.poll('shop', { signal, dryRun: true })
    expect(events.length).toBe(1)
    expect([await gists(), (await store.connections.get('shop'))?.cursor]).toEqual([[], null])
  })

  test('of one order reads only that order', async () => {
    const { ingest, requests, fetches } = await scene({
      script: { rows: [] },
      fetched: [snapshot({ orderId: 'o-7', paid: paid() })],
    })
    await ingest.poll('shop', { signal, orderId: 'o-7' })
    expect([await gists(), requests.length, fetches]).toEqual([['o-7 paid 20.00'], 0, [['o-7']]])
  })

  test('on request that succeeds after refused credentials is followed by polls on time, not in a quarter of an hour', async () => {
    const script: FeedScript = { rows: [] }
    let refuses = true
    script.before = () => {
      if (refuses) throw new AppError('The credentials are refused.', { code: 'vendor.refused', intent: 'stop' })
      return undefined
    }
    const { ingest, requests } = await scene({ script })
    const stop = new AbortController()
    const running = ingest.run(stop.signal)
    const state = async () => (await store.connections.get('shop'))?.state
    await until('it has stopped', async () => (await state()) === 'stopped')
    refuses = false
    await ingest.poll('shop', { signal })
    expect(await state()).toBe('ok')
    const asked = requests.length
    await until('polls go on', () => requests.length > asked + 2)
    stop.abort()
    await running
  })

  test('requested while another runs comes right after it, whatever the schedule says', async () => {
    const script: FeedScript = { rows: [] }
    const { ingest, requests } = await scene({ script })
    script.before = () => {
      script.before = () => undefined
      // What was asked for is news to this poll, which has looked for it already.
      ingest.wake('shop')
      throw new AppError('The credentials are refused.', { code: 'vendor.refused', intent: 'stop' })
    }
    const stop = new AbortController()
    const running = ingest.run(stop.signal)
    await until('the next poll comes', () => requests.length > 1)
    stop.abort()
    await running
  })

  test('of an unknown connection fails and names the known ones', async () => {
    const { ingest } = await scene({ script: { rows: [] } })
    await expect(ingest.poll('nope', { signal })).rejects.toThrow('there are: shop')
  })
})

describe('completion', () => {
  test('reads changed orders only', async () => {
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

  test('reads an order again, more and more rarely, if only its completion has quarantine entries', async () => {
    const row = snapshot({ updatedAt: new Date(clock.now()).toISOString() })
    const doubts = [{ path: 'pay_status', value: '"odd"', reason: 'not a known status' }]
    const fetched = [{ ...row, doubts }]
    const script: FeedScript = { rows: [row] }
    const { ingest, fetches } = await scene({
      script,
      now: () => clock.now(),
      fetched,
      complete: async () => fetched,
    })
    const quarantined = async () => (await store.quarantine.list({}, { limit: 10 })).map(({ path }) => path)
    const reads: number[] = []
    for (const seconds of [0, 61, 60, 70, 200, 100]) {
      clock.shift(seconds * 1000)
      const before = fetches.length
      await ingest.poll('shop', { signal })
      reads.push(fetches.length - before)
    }
    expect([reads, await quarantined()]).toEqual([[0, 1, 0, 1, 0, 1], ['pay_status']])
    fetched[0] = { ...row, doubts: [], paid: paid() }
    clock.shift(700_000)
    await ingest.poll('shop', { signal })
    expect([await gists(), await quarantined()]).toEqual([['o-1 paid 20.00'], []])
    clock.shift(86_400_000)
    await ingest.poll('shop', { signal })
    expect(fetches).toHaveLength(4)
  })

  test('reads no order again whose page shows the quarantine entries', async () => {
    const doubts = [{ path: 'pay_status', value: '"odd"', reason: 'not a known status' }]
    const script: FeedScript = { rows: ordersUpdatedAt([1]).map(row => ({ ...row, doubts })) }
    const { ingest, fetches } = await scene({ script, complete: async snapshots => snapshots })
    await ingest.poll('shop', { signal })
    expect([await store.orders.due('shop', Number.MAX_SAFE_INTEGER, 10), fetches]).toEqual([[], []])
  })

  test('reads a refund with a late record again on time, although the order does not change', async () => {
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
