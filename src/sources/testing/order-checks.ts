import assert from 'node:assert/strict'
import { completed, eventTypes, fetched, LIVE, listed, refOf, simulated, withBench } from './bench.ts'
import { EVENT_OF, type OrderFact, type SourceCheck, type SourceTest } from './simulated-vendor.ts'

/** Lives of an order. Each is checked where the vendor can prove all of it. */
const LIVES: readonly (readonly OrderFact[])[] = [
  [],
  ['paid'],
  ['paid', 'shipped'],
  ['paid', 'shipped', 'delivered'],
  ['paid', 'refunded'],
  ['cancelled'],
]

/** What a source says of an order: neither less nor more than its rows prove. */
export function orderChecks(options: SourceTest): readonly SourceCheck[] {
  const { proves, personal = [] } = options
  const lives = LIVES.filter(facts => facts.every(fact => proves.includes(fact)))
  const provesLife = (facts: readonly OrderFact[]): SourceCheck => ({
    name: `proves ${facts.join(', ') || 'nothing'}, and nothing else, of an order to which just that happened`,
    run: () =>
      withBench(options, async bench => {
        const order = simulated(1, bench.past, facts)
        await bench.vendor.put(order)
        const expected = facts.map(fact => EVENT_OF[fact]).sort()
        assert.deepEqual(eventTypes(bench, await completed(bench, order)), expected, 'as a page lists it')
        assert.deepEqual(eventTypes(bench, await fetched(bench, order)), expected, 'read by itself')
      }),
  })

  return [
    ...lives.map(provesLife),
    {
      name: 'gives the same snapshot for the same row, so that an unchanged order is known as such',
      run: () =>
        withBench(options, async bench => {
          const order = simulated(1, bench.past, lives.at(-1) ?? [])
          await bench.vendor.put(order)
          const rows = async () =>
            JSON.stringify((await listed(bench, windowAt(bench.past))).map(({ orders }) => orders))
          assert.equal(await rows(), await rows())
          assert.equal(JSON.stringify(await fetched(bench, order)), JSON.stringify(await fetched(bench, order)))
        }),
    },
    {
      name: 'names the update time of an order, where the vendor lists by it',
      run: () =>
        withBench(options, async bench => {
          if (bench.source.feed.kind !== 'window') return
          const order = simulated(1, bench.past)
          await bench.vendor.put(order)
          assert.equal((await completed(bench, order)).updatedAt, new Date(bench.past).toISOString())
        }),
    },
    {
      name: 'finds no order that the vendor does not know, and returns none that was not asked for',
      run: () =>
        withBench(options, async bench => {
          const [known, other, unknown] = [1, 2, 3].map(number => simulated(number, bench.past, []))
          assert.ok(known && other && unknown)
          await bench.vendor.put(known)
          await bench.vendor.put(other)
          const { orders } = await bench.source.fetch(
            [known, unknown].map(order => refOf(bench, order)),
            LIVE,
          )
          assert.deepEqual(
            orders.map(({ orderId }) => orderId),
            [known.orderId],
          )
          assert.deepEqual((await bench.source.fetch([], LIVE)).orders, [])
        }),
    },
    {
      name: 'sets aside a row that it cannot understand, and reads the rest of the page',
      run: () =>
        withBench(options, async bench => {
          if (!bench.vendor.putUnreadable) return
          const [order, broken] = [simulated(1, bench.past), simulated(2, bench.past)]
          await bench.vendor.put(order)
          await bench.vendor.putUnreadable(broken)
          const pages = await listed(bench, windowAt(bench.past))
          assert.deepEqual(
            pages.flatMap(({ orders }) => orders.map(({ orderId }) => orderId)),
            [order.orderId],
          )
          const rejects = pages.flatMap(page => page.rejects)
          assert.equal(rejects.length, 1, 'the unreadable row is not among the `rejects` of its page')
          assert.ok(rejects[0]?.reason, 'a reject says why')
        }),
    },
    {
      name: 'keeps the buyer out of its snapshots',
      run: () =>
        withBench(options, async bench => {
          const order = simulated(1, bench.past, lives.at(-1) ?? [])
          await bench.vendor.put(order)
          const text = JSON.stringify([await completed(bench, order), await fetched(bench, order)])
          for (const each of personal) assert.ok(!text.includes(each), `a snapshot holds "${each}"`)
        }),
    },
  ]
}

const windowAt = (at: number) => ({ from: at, to: at })
