import { describe, expect, test } from 'vitest'
import { type FeedScript, MINUTE_START, ordersUpdatedAt } from '../helpers/scripted-feed.ts'
import { paid } from '../helpers/snapshots.ts'
import { until } from '../helpers/until.ts'
import { clock, gists, history, newStoreForEachTest, scene, signal, store } from './scene.ts'

newStoreForEachTest()

describe('a gap of the first poll', () => {
  test('is read completely and once, beside the polls', async () => {
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

  test('that began while our clock was an hour wrong begins again, and nothing is skipped', async () => {
    const rows = ordersUpdatedAt([-600, -300, -60]).map(row => ({ ...row, paid: paid() }))
    let wrongBy = 3_600_000
    clock.shift(wrongBy)
    const script: FeedScript = { rows, pageSize: 10 }
    // While the vendor is asked, our clock is set.
    script.before = () => {
      clock.shift(-wrongBy)
      wrongBy = 0
      return undefined
    }
    const { ingest } = await scene({ script, backfill: '30m', now: () => clock.now() })
    const first = await ingest.poll('shop', { signal })
    expect(first.orders).toBe(0)
    expect((await store.connections.get('shop'))?.cursor).toBe(null)
    const second = await ingest.poll('shop', { signal })
    expect(second.events.length).toBe(3)
    expect((await store.connections.get('shop'))?.cursor ?? 0).toBeGreaterThanOrEqual(MINUTE_START + 60_000)
  })

  test('of several pages finds the row that was skipped when one row left and another came, and the total stayed', async () => {
    // A row of 40 minutes ago leaves the first page while the second is asked for, and a late one comes at the end.
    const [late, ...rows] = ordersUpdatedAt([-120, -3_000, -2_900, -2_400, -2_300, -200]).map(row => ({
      ...row,
      paid: paid(),
    }))
    if (!late) throw new Error('there are six')
    const script: FeedScript = { rows: [...rows], pageSize: 2 }
    script.before = ({ page }) => {
      if (page === 2) script.rows = [...rows.slice(1), late]
      return undefined
    }
    const { ingest, requests } = await scene({ script, backfill: '1h' })
    await ingest.poll('shop', { signal })
    expect((await gists()).map(text => text.split(' ')[0])).not.toContain('o-4')
    const stop = new AbortController()
    const running = ingest.run(stop.signal)
    await until('the older part is read again', async () => (await store.connections.get('shop'))?.gaps.length === 0)
    const asked = requests.length
    await until('polls go on', () => requests.length > asked + 3)
    stop.abort()
    await running
    expect(new Set((await history()).map(({ data }) => data.orderId))).toEqual(
      new Set(['o-1', 'o-2', 'o-3', 'o-4', 'o-5', 'o-6']),
    )
    expect((await store.connections.get('shop'))?.gaps).toEqual([])
  })
})
