import assert from 'node:assert/strict'
import { listed, simulated, withBench } from './bench.ts'
import type { SourceCheck, SourceTest } from './simulated-vendor.ts'

/** Enough for the pages of every vendor; of larger pages only two are read. */
const MOST_ORDERS = 1_001
const TEN_MINUTES = 600_000
const HALF_A_DAY = 43_200_000

/** How a source lists orders: whole windows, page by page. */
export function feedChecks(options: SourceTest): readonly SourceCheck[] {
  return [
    {
      name: 'lists an order in windows that end or begin with its very update time, and in none beside it',
      run: () =>
        withBench(options, async bench => {
          const { feed } = bench.source
          if (feed.kind !== 'window') return
          const order = simulated(1, bench.past)
          await bench.vendor.put(order)
          const isIn = async (from: number, to: number) =>
            (await listed(bench, { from, to })).some(({ orders }) =>
              orders.some(({ orderId }) => orderId === order.orderId),
            )
          const { past } = bench
          // Some vendors filter by whole days.
          const away = Math.max(
            TEN_MINUTES,
            feed.precisionMs * 3,
            (feed.toleranceMs ?? 0) > TEN_MINUTES ? 4 * HALF_A_DAY : 0,
          )
          assert.ok(await isIn(past, past), 'a window of one instant')
          assert.ok(await isIn(past - away, past), 'a window that ends with it')
          assert.ok(await isIn(past, past + feed.precisionMs), 'a window that begins with it')
          assert.ok(!(await isIn(past - 2 * away, past - away)), 'a window before it')
          assert.ok(!(await isIn(past + away, past + 2 * away)), 'a window behind it')
        }),
    },
    {
      name: 'lists all orders of a window page by page, and comes to an end',
      run: () =>
        withBench(options, async bench => {
          const window = { from: bench.past, to: bench.past }
          const [first] = await listed(bench, window)
          assert.ok(first && first.next === null, 'no orders: one page')
          assert.equal(first.orders.length, 0)
          const count = Math.min(2 * first.pageSize + 1, MOST_ORDERS)
          const orders = Array.from({ length: count }, (_, index) => simulated(index, bench.past))
          for (const order of orders) await bench.vendor.put(order)
          const pages = await listed(bench, window)
          const found = new Set(pages.flatMap(page => page.orders.map(({ orderId }) => orderId)))
          assert.equal(found.size, count)
          for (const page of pages) {
            assert.ok(page.orders.length + page.rejects.length <= page.pageSize, 'a page has more rows than `pageSize`')
            assert.ok(page.total === null || page.total === count, `\`total\` is ${page.total} of ${count} orders`)
          }
        }),
    },
    {
      name: 'completes the rows of a page in their order',
      run: () =>
        withBench(options, async bench => {
          const orders = [1, 2, 3].map(number =>
            simulated(number, bench.past, options.proves.includes('paid') ? ['paid'] : []),
          )
          for (const order of orders) await bench.vendor.put(order)
          const rows = (await listed(bench, { from: bench.past, to: bench.past })).flatMap(page => page.orders)
          const backfill = { signal: new AbortController().signal, priority: 'backfill' } as const
          const complete = (await bench.source.complete?.(rows, backfill)) ?? rows
          assert.deepEqual(
            complete.map(({ orderId }) => orderId),
            rows.map(({ orderId }) => orderId),
          )
        }),
    },
  ]
}
