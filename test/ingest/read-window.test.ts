import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readWindow } from '../../src/ingest/read-window.ts'
import { createTotals } from '../../src/ingest/totals.ts'
import { cutAt, fronts, halve, whole, without } from '../../src/ingest/window.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { FeedPage, Window, WindowFeed } from '../../src/sources/source.ts'
import { at, type FeedScript, MINUTE_START, ordersUpdatedAt, scriptedFeed } from '../helpers/scripted-feed.ts'

const options = { signal: new AbortController().signal, priority: 'live' as const }
const MINUTE = { from: MINUTE_START, to: MINUTE_START + 60_000 }

async function read(script: FeedScript) {
  const { feed, requests } = scriptedFeed(script)
  const taken: string[] = []
  const error = await readWindow(
    feed,
    MINUTE,
    async page => void taken.push(...page.orders.map(({ orderId }) => orderId)),
    options,
  ).then(
    () => null,
    (reason: unknown) => reason,
  )
  return { taken, orders: [...new Set(taken)].sort(), requests, error }
}

describe('a window', () => {
  test('without changes costs one request', async () => {
    const { requests, error } = await read({ rows: [] })
    expect([requests.length, error]).toEqual([1, null])
  })

  test('is read page by page to its end', async () => {
    const { orders, requests } = await read({ rows: ordersUpdatedAt([1, 2, 3, 4, 5]) })
    expect(orders).toEqual(['o-1', 'o-2', 'o-3', 'o-4', 'o-5'])
    expect(requests.map(({ page }) => page)).toEqual([1, 2, 3])
  })

  test('case 37: two changes in one second are both found', async () => {
    expect((await read({ rows: ordersUpdatedAt([7, 7]), pageSize: 1 })).orders).toEqual(['o-1', 'o-2'])
  })

  test('case 38: more rows than twenty pages with one update time are all read', async () => {
    const rows = ordersUpdatedAt(Array.from({ length: 55 }, () => 30))
    const { orders, error } = await read({ rows, pageSize: 2 })
    expect([orders.length, error]).toEqual([55, null])
  })

  test('with more than twenty pages is split, and only then', async () => {
    const twenty = await read({ rows: ordersUpdatedAt(Array.from({ length: 40 }, (_, i) => i)), pageSize: 2 })
    expect(twenty.requests.every(({ window }) => window.from === MINUTE.from && window.to === MINUTE.to)).toBe(true)
    const more = await read({ rows: ordersUpdatedAt(Array.from({ length: 41 }, (_, i) => i)), pageSize: 2 })
    expect(more.orders.length).toBe(41)
    expect(more.requests.filter(({ window }) => window.to - window.from < 60_000).length).toBeGreaterThan(0)
  })

  test('of a vendor that does not count its rows is split after twenty pages', async () => {
    const rows = ordersUpdatedAt(Array.from({ length: 50 }, (_, i) => i))
    expect((await read({ rows, pageSize: 2, counts: false })).orders.length).toBe(50)
  })

  test('case 26: is narrowed when the vendor says that it is too large', async () => {
    const { orders, error } = await read({
      rows: ordersUpdatedAt([5, 25, 45]),
      before: ({ window }) => {
        if (window.to - window.from > 20_000)
          throw new AppError('too deep', { code: 'vendor.too_deep', intent: 'narrow' })
        return undefined
      },
    })
    expect([orders, error]).toEqual([['o-1', 'o-2', 'o-3'], null])
  })
})

describe('pages that do not add up', () => {
  test('case 14: no row is skipped when a row leaves while pages are read', async () => {
    const script: FeedScript = { rows: ordersUpdatedAt([1, 2, 3, 4, 5]) }
    let moved = false
    script.before = ({ page }) => {
      if (page === 2 && !moved) {
        moved = true
        script.rows.shift()
      }
      return undefined
    }
    const { orders } = await read(script)
    expect(orders).toEqual(['o-1', 'o-2', 'o-3', 'o-4', 'o-5'])
  })

  test('case 14: a row that leaves while another comes keeps the total, and is noticed by the row seen twice', async () => {
    const script: FeedScript = { rows: ordersUpdatedAt([1, 2, 3, 4]) }
    let moved = false
    script.before = ({ page }) => {
      if (page === 2 && !moved) {
        moved = true
        const [first, second, third, fourth] = script.rows
        if (first && second && third && fourth) script.rows = [third, first, second, fourth]
      }
      return undefined
    }
    expect((await read(script)).orders).toEqual(['o-1', 'o-2', 'o-3', 'o-4'])
  })

  test('case 14: no row is skipped when one page comes from a stale copy with one more row', async () => {
    const [first, second, third, ghost, last] = ordersUpdatedAt([1, 2, 3, 4, 5])
    if (!first || !second || !third || !ghost || !last) throw new Error('there are five')
    const rows = [first, second, third, last]
    const script: FeedScript = { rows, pageSize: 1 }
    let stale = 1
    script.before = ({ page }) => {
      script.rows = page === 3 && stale-- > 0 ? [first, second, ghost, third, last] : rows
      return undefined
    }
    const { orders } = await read(script)
    expect(orders).toEqual(['o-1', 'o-2', 'o-3', 'o-4', 'o-5'])
  })

  test('case 14: a row that a page lists twice in both readings is no sign of movement', async () => {
    const [row] = ordersUpdatedAt([1])
    const { requests, error } = await read({ rows: row ? [row, row] : [] })
    expect([requests.length, error]).toEqual([2, null])
  })

  test('case 14: a row that a page lists twice does not make up for a row that another page left out', async () => {
    const rows = ordersUpdatedAt([1, 2, 3])
    let wrong = true
    const page = (orders: typeof rows, next: string | null) => ({ orders, rejects: [], next, total: 3, pageSize: 1 })
    const { orders, error } = await read({
      rows,
      pageSize: 1,
      before: ({ page: number }) => {
        if (!wrong) return undefined
        const [first, second] = rows
        if (number === 1 && first) return page([first], '2')
        if (number === 2 && second) return page([second, second], '3')
        wrong = false
        return page([], null)
      },
    })
    expect([orders, error]).toEqual([['o-1', 'o-2', 'o-3'], null])
  })

  test('case 25: a repeated cursor ends in an error, not in a loop', async () => {
    const page = { orders: [], rejects: [], next: '7', total: null, pageSize: 2 }
    const { error, requests } = await read({ rows: [], before: () => page })
    expect(error).toMatchObject({ code: 'vendor.repeated_cursor', intent: 'retry' })
    expect(requests.length).toBe(2)
  })

  test('case 41: rows are believed although the total is too high, once a second reading is the same', async () => {
    const rows = ordersUpdatedAt([1])
    const { error, orders, requests } = await read({
      rows,
      before: () => ({ orders: rows, rejects: [], next: null, total: 3, pageSize: 2 }),
    })
    expect([error, orders, requests.length]).toEqual([null, ['o-1'], 2])
  })

  test('case 41: also on several pages, with a short page before an empty last one', async () => {
    const rows = ordersUpdatedAt([1, 2, 3])
    const [first, second, third] = rows
    const pages = [[first, second], [third], []].map(page => page.filter(row => row !== undefined))
    const { error, orders, requests } = await read({
      rows,
      before: ({ page }) => ({
        orders: pages[page - 1] ?? [],
        rejects: [],
        next: page < 3 ? String(page + 1) : null,
        total: 4,
        pageSize: 2,
      }),
    })
    expect([error, orders, requests.length]).toEqual([null, ['o-1', 'o-2', 'o-3'], 6])
  })

  test('case 41: what is known to be counted and not listed never stands for rows on pages that are still to come', async () => {
    const rows = ordersUpdatedAt(Array.from({ length: 15 }, (_, n) => n * 4))
    // Two more than there are in every window, and one row a page, whatever was asked for.
    const feed: WindowFeed = {
      kind: 'window',
      precisionMs: 1_000,
      async readPage(window, at) {
        const inside = rows.filter(({ updatedAt }) => {
          const moment = Date.parse(updatedAt ?? '')
          return moment >= window.from && moment <= window.to
        })
        const page = Number(at ?? 1)
        const orders = inside.slice(page - 1, page)
        return {
          orders,
          rejects: [],
          total: inside.length + 2,
          pageSize: 250,
          next: orders.length > 0 ? String(page + 1) : null,
        }
      },
    }
    const trust = { totals: createTotals(), readings: 2, believed: () => {} }
    const taken = new Set<string>()
    const readAll = async (window: Window) => {
      taken.clear()
      const take = async ({ orders }: FeedPage) => {
        for (const { orderId } of orders) taken.add(orderId)
      }
      await readWindow(feed, window, take, options, trust)
    }
    const middle = MINUTE.from + 29_000
    await readAll({ from: MINUTE.from, to: middle })
    await readAll({ from: middle + 1_000, to: MINUTE.to })
    await readAll(MINUTE)
    expect(taken.size).toBe(15)
  })

  test('a total that differs in each reading fails the poll, after the listed rows are taken', async () => {
    const rows = ordersUpdatedAt([1])
    let total = 3
    const { error, orders } = await read({
      rows,
      before: () => ({ orders: rows, rejects: [], next: null, total: total++, pageSize: 2 }),
    })
    expect(error).toMatchObject({ code: 'ingest.page_drift', intent: 'retry' })
    expect(orders).toEqual(['o-1'])
  })

  test('a list that differs in each reading fails the poll as well', async () => {
    const rows = ordersUpdatedAt([1, 2, 3, 4])
    let reading = 0
    const { error } = await read({
      rows,
      before: () => ({ orders: rows.slice(reading++ % 4, 4), rejects: [], next: null, total: 9, pageSize: 9 }),
    })
    expect(error).toMatchObject({ code: 'ingest.page_drift' })
  })

  test('rows older than the window show an ignored filter: their facts are taken, and the poll fails', async () => {
    const rows = ordersUpdatedAt([-3_600])
    const { error, orders, requests } = await read({
      rows,
      before: () => ({ orders: rows, rejects: [], next: '2', total: 900, pageSize: 1 }),
    })
    expect(error).toMatchObject({ code: 'vendor.filter_ignored' })
    expect([orders, requests.length]).toEqual([['o-1'], 1])
  })
})

test('every row that stays in the window is read, whatever rows move between requests', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 59 }), { minLength: 1, maxLength: 30 }),
      fc.array(fc.record({ at: fc.nat({ max: 12 }), row: fc.nat({ max: 29 }) }), { maxLength: 4 }),
      async (seconds, moves) => {
        const rows = ordersUpdatedAt(seconds)
        const script: FeedScript = { rows, pageSize: 3 }
        const left = new Set<string>()
        let request = 0
        script.before = () => {
          for (const move of moves.filter(move => move.at === request)) {
            const [row] = script.rows.splice(move.row % script.rows.length, 1)
            if (row) left.add(row.orderId)
          }
          request++
          return undefined
        }
        const { orders, error } = await read(script)
        expect(error).toBeNull()
        for (const { orderId } of script.rows) expect(orders).toContain(orderId)
      },
    ),
    { numRuns: 300 },
  )
})

describe('planning', () => {
  const reach = {
    cursor: MINUTE_START,
    overlapMs: 600_000,
    backfillFrom: 0,
    now: MINUTE_START + 5_300,
    precisionMs: 1_000,
  }

  test('reads from the overlap before the cursor to now, rounded outwards to whole seconds', () => {
    expect(whole(reach)).toEqual({ from: MINUTE_START - 600_000, to: MINUTE_START + 6_000 })
  })

  test('the first poll reads from the backfill, and never less than the overlap', () => {
    expect(whole({ ...reach, cursor: null, backfillFrom: MINUTE_START - 86_400_000 }).from).toBe(
      MINUTE_START - 86_400_000,
    )
    expect(whole({ ...reach, cursor: null, backfillFrom: reach.now }).from).toBe(MINUTE_START - 595_000)
  })

  test('a cursor ahead of the clock skips nothing', () => {
    expect(whole({ ...reach, cursor: reach.now + 3_600_000 }).from).toBe(MINUTE_START - 595_000)
  })

  test('a window that is too large for one poll leaves a gap that touches the live window', () => {
    const first = { ...reach, cursor: null, backfillFrom: MINUTE_START - 86_400_000 }
    const { live, gap } = cutAt(whole(first), reach.now - reach.overlapMs, 1_000)
    expect(gap).toEqual({ from: MINUTE_START - 86_400_000, to: live.from })
  })

  const clocks = (vendor: number, ours: number) => [vendor, ours] as const
  const HOURS = 3 * 3_600_000

  test('case 42: a window reaches to the later of the clocks, from the overlap before the cursor', () => {
    const [front, second] = fronts({ ...reach, clocks: clocks(MINUTE_START, MINUTE_START + 90_000), reached: null })
    expect(front?.window).toEqual({ from: MINUTE_START - 600_000, to: MINUTE_START + 90_000 })
    expect(second).toBeUndefined()
  })

  test.each([
    ['behind', clocks(MINUTE_START - HOURS, MINUTE_START)],
    ['ahead', clocks(MINUTE_START + HOURS, MINUTE_START)],
  ])(
    'case 42: with the vendor hours %s, each poll reads the overlap before either clock, and not the span between',
    (_, both) => {
      const [earlier, later] = [Math.min(...both), Math.max(...both)]
      const plan = fronts({ ...reach, cursor: earlier, clocks: both, reached: later - 5_000 })
      expect(plan.map(({ window }) => window)).toEqual([
        { from: earlier - 600_000, to: earlier },
        { from: later - 605_000, to: later },
      ])
      expect(plan.map(({ looksBack, gap }) => [looksBack, gap])).toEqual([
        [false, null],
        [false, { from: later - 605_000, to: later - 600_000 }],
      ])
    },
  )

  test('case 42: the first poll reads up to the later clock', () => {
    const plan = fronts({ ...reach, cursor: null, clocks: clocks(MINUTE_START - HOURS, MINUTE_START), reached: null })
    expect(plan.map(({ window }) => window)).toEqual([{ from: 0, to: MINUTE_START }])
  })

  test('case 43: the parts around an unreadable instant leave out that instant and nothing else', () => {
    const instant = { from: 5_000, to: 5_000 }
    expect(without({ from: 0, to: 9_000 }, [instant], 1_000)).toEqual([
      { from: 0, to: 4_000 },
      { from: 6_000, to: 9_000 },
    ])
    expect(without({ from: 5_000, to: 9_000 }, [instant], 1_000)).toEqual([{ from: 6_000, to: 9_000 }])
    expect(without({ from: 0, to: 5_000 }, [instant], 1_000)).toEqual([{ from: 0, to: 4_000 }])
    expect(without({ from: 5_000, to: 5_000 }, [instant], 1_000)).toEqual([])
    expect(without({ from: 6_000, to: 9_000 }, [instant], 1_000)).toEqual([{ from: 6_000, to: 9_000 }])
  })

  test('case 43: two adjacent unreadable instants leave no window between them', () => {
    const instants = [4_000, 5_000].map(at => ({ from: at, to: at }))
    expect(without({ from: 0, to: 9_000 }, instants, 1_000)).toEqual([
      { from: 0, to: 3_000 },
      { from: 6_000, to: 9_000 },
    ])
  })

  test('case 43: with windows that are open at the end, the part after a tick touches it', () => {
    expect(without({ from: 0, to: 9_000 }, [{ from: 4_000, to: 5_000 }], 1_000)).toEqual([
      { from: 0, to: 4_000 },
      { from: 5_000, to: 9_000 },
    ])
  })

  test('halves cover the whole window, down to one tick', () => {
    expect(halve({ from: 0, to: 5_000 }, 1_000)).toEqual([
      { from: 0, to: 3_000 },
      { from: 3_000, to: 5_000 },
    ])
    expect(halve({ from: 0, to: 1_000 }, 1_000)).toBeNull()
  })
})

test('an update time is written as the helpers say', () => expect(at(0)).toBe('2026-03-05T12:00:00.000Z'))
