import { describe, expect, test } from 'vitest'
import { type FeedScript, ordersUpdatedAt } from '../helpers/scripted-feed.ts'
import { paid } from '../helpers/snapshots.ts'
import { clock, history, newStoreForEachTest, scene, signal, store } from './scene.ts'

newStoreForEachTest()

const HOURS = 3 * 3_600_000
const NOW_SECOND = 60
const told = (seconds: number[]) => ordersUpdatedAt(seconds).map(row => ({ ...row, paid: paid() }))

describe.each([
  ['behind', -HOURS],
  ['ahead', HOURS],
])('case 42: a Date header hours %s while the update times are right', (_, wrongBy) => {
  const shop = (script: FeedScript) => scene({ script, now: () => clock.now() + wrongBy })

  test('hides no order: the next poll finds it', async () => {
    const script: FeedScript = { rows: told([NOW_SECOND - 1]), pageSize: 10 }
    const { ingest, requests } = await shop(script)
    expect((await ingest.poll('shop', { signal })).events).toHaveLength(1)
    for (let poll = 1; poll < 5; poll++) {
      clock.shift(600_000)
      script.rows = told(Array.from({ length: poll + 1 }, (_, i) => NOW_SECOND - 1 + i * 600))
      requests.length = 0
      expect((await ingest.poll('shop', { signal })).events).toHaveLength(1)
      expect(requests.length).toBeLessThanOrEqual(2)
      // Two windows of about the overlap each, and never the hours between them.
      for (const { window } of requests) expect(window.to - window.from).toBeLessThan(3_600_000)
    }
  })

  test('is logged once, and the cursor stays at the earlier clock', async () => {
    const { ingest, lines } = await shop({ rows: [] })
    for (let poll = 0; poll < 3; poll++) await ingest.poll('shop', { signal })
    const said = lines.filter(({ msg }) => String(msg).includes('3 h 0 min'))
    expect(said).toHaveLength(1)
    const row = await store.connections.get('shop')
    expect(Math.abs((row?.cursor ?? 0) - (clock.now() + Math.min(0, wrongBy)))).toBeLessThan(20_000)
    expect(Math.abs((row?.clockAheadMs ?? 0) - wrongBy)).toBeLessThan(2_000)
    expect(row?.state).toBe('ok')
  })

  test('costs nothing once the clock is right again', async () => {
    let by = wrongBy
    const script: FeedScript = { rows: [], pageSize: 10 }
    const { ingest } = await scene({ script, now: () => clock.now() + by })
    await ingest.poll('shop', { signal })
    by = 0
    script.rows = told([NOW_SECOND + 30])
    clock.shift(60_000)
    await ingest.poll('shop', { signal })
    expect(await history()).toHaveLength(1)
    expect((await store.connections.get('shop'))?.clockAheadMs).toBeNull()
  })
})

test.each([
  ['behind', -HOURS],
  ['ahead', HOURS],
])('case 42: update times that are hours %s, as the Date header says, are found as well', async (_, by) => {
  const script: FeedScript = { rows: told([NOW_SECOND + by / 1000 - 1]), pageSize: 10 }
  const { ingest } = await scene({ script, now: () => clock.now() + by })
  expect((await ingest.poll('shop', { signal })).events).toHaveLength(1)
  clock.shift(300_000)
  script.rows = told([NOW_SECOND + by / 1000 - 1, NOW_SECOND + by / 1000 + 299])
  expect((await ingest.poll('shop', { signal })).events).toHaveLength(1)
})

test('a difference of the clocks of less than a minute is not logged', async () => {
  const { ingest, lines } = await scene({ script: { rows: [] }, now: () => clock.now() - 40_000 })
  await ingest.poll('shop', { signal })
  expect(lines.filter(({ level }) => Number(level) >= 40)).toEqual([])
  expect((await store.connections.get('shop'))?.clockAheadMs).toBeNull()
})

test.each([
  ['behind', -30 * 60_000],
  ['ahead', HOURS],
])(
  'case 42: a first poll that takes longer than the overlap, with a vendor %s, moves the cursor no further than both clocks were when it began',
  async (_, by) => {
    const takes = 20 * 60_000
    const began = clock.now()
    let isSlow = true
    const script: FeedScript = {
      rows: [],
      before() {
        if (isSlow) clock.shift(takes)
        isSlow = false
        return undefined
      },
    }
    const { ingest } = await scene({ script, now: () => clock.now() + by })
    await ingest.poll('shop', { signal })
    const cursor = (await store.connections.get('shop'))?.cursor ?? Number.NaN
    expect(cursor - (began + Math.min(0, by))).toBeLessThan(takes / 2)
  },
)
