import { expect, test } from 'vitest'
import type { OrderSnapshot } from '../../schemas/order.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { FeedPage, Window } from '../../src/sources/source.ts'
import { memoryClock } from '../helpers/memory-clock.ts'
import type { FeedScript } from '../helpers/scripted-feed.ts'
import { paid, refundTotal, snapshot } from '../helpers/snapshots.ts'
import { gists, newStoreForEachTest, scene, store } from './scene.ts'

newStoreForEachTest()

/** Case 47: what no poll can show is found by reconciliation. Time is driven. */

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const OFTEN = { every: '1m', lookBack: '30d' }

type Own = Partial<Parameters<typeof scene>[0]>

async function shop(script: FeedScript, own: Own = {}) {
  const time = memoryClock()
  let process = await scene({ script, time, now: () => time.now(), pollEvery: '20s', reconcile: OFTEN, ...own })
  let stop = new AbortController()
  let running = process.ingest.run(stop.signal)
  await time.advance(10)
  const end = async () => {
    stop.abort()
    await time.advance(0)
    await running
  }
  const reconciled = async (): Promise<string> =>
    (await process.metrics.registry.getSingleMetricAsString('orderwire_reconciled_events_total')).replace(
      /^#.*\n/gm,
      '',
    )
  return {
    time,
    end,
    reconciled,
    process: () => process,
    row: () => store.reconciliations.get('shop'),
    async restart(downMs: number, changed: Own = {}) {
      await end()
      await time.advance(downMs)
      process = await scene({
        ...{ script, time, now: () => time.now(), pollEvery: '20s', reconcile: OFTEN },
        ...{ ...own, ...changed },
      })
      stop = new AbortController()
      running = process.ingest.run(stop.signal)
      await time.advance(10)
    },
  }
}

/** Of an order that was placed and paid at this time. */
const order = (orderId: string, at: number, own: Partial<OrderSnapshot> = {}) => {
  const moment = new Date(at).toISOString()
  return snapshot({ orderId, placedAt: moment, updatedAt: moment, paid: paid(), ...own })
}

test.each([true, false])(
  'a refund that does not touch the update time is found by reconciliation, listed by creation: %s (case 47)',
  async listsCreated => {
    const script: FeedScript = { rows: [], listsCreated }
    const { time, end, reconciled, row } = await shop(script)
    const sold = order('o-1', time.now())
    script.rows = [sold]
    await time.advance(30 * SECOND)
    expect(await gists()).toEqual(['o-1 paid 20.00'])
    await time.advance(HOUR / 4)
    script.rows = [{ ...sold, refund: refundTotal('20.00') }]
    await time.advance(3 * MINUTE)
    expect([await gists(), await reconciled()]).toEqual([
      ['o-1 paid 20.00', 'o-1 refunded 20.00 full'],
      'orderwire_reconciled_events_total{connection="shop"} 1',
    ])
    expect(await row()).toMatchObject({ running: null, error: null, last: { orders: 1 } })
    await end()
  },
)

const EMPTY: FeedPage = { orders: [], rejects: [], next: null, total: 0, pageSize: 2 }

test('an order that an outage hid behind empty lists is found by reconciliation (case 47)', async () => {
  let out = true
  const script: FeedScript = { rows: [], listsCreated: true, before: () => (out ? EMPTY : undefined) }
  const { time, end, process } = await shop(script)
  script.rows = [order('o-1', time.now())]
  await time.advance(15 * MINUTE)
  out = false
  await time.advance(2 * MINUTE)
  expect(await gists()).toEqual(['o-1 paid 20.00'])
  expect(process().lines.map(({ msg }) => msg)).toContain(
    'reconciliation found and published events that no poll had shown',
  )
  await end()
})

test.each([-8, 8])('orders of a shop that reads filters in its own zone (UTC%i) are found (case 47)', async zone => {
  let rows: OrderSnapshot[] = []
  const before = ({ window }: { window: Window }): FeedPage => {
    const inside = rows.filter(({ updatedAt }) => {
      const shown = Date.parse(updatedAt ?? '') + zone * HOUR
      return shown >= window.from && shown <= window.to
    })
    return { ...EMPTY, orders: inside, total: inside.length, pageSize: 50 }
  }
  const { time, end } = await shop({ rows: [], listsCreated: true, before })
  rows = [order('o-1', time.now() + SECOND)]
  await time.advance(2 * MINUTE)
  expect(await gists()).toEqual(['o-1 paid 20.00'])
  await end()
})

test('orders from before the connection was set up, which nobody asked for, stay unpublished', async () => {
  const script: FeedScript = { rows: [], listsCreated: true }
  const { time, end, row } = await shop(script)
  script.rows = [order('o-old', time.now() - 3 * HOUR), order('o-new', time.now() - MINUTE)]
  await time.advance(3 * MINUTE)
  expect([await gists(), (await row())?.last?.orders]).toEqual([['o-new paid 20.00'], 2])
  await end()
})

test('no poll waits for a reconciliation that is stuck', async () => {
  const script: FeedScript = { rows: [], listsCreated: true }
  const { time, end, process } = await shop(script)
  const asked = process().created
  script.before = ({ window }) => {
    if (window.to > time.now() + HOUR)
      throw new AppError('answered 503', { code: 'vendor.unavailable', intent: 'retry' })
    return undefined
  }
  await time.advance(2 * MINUTE)
  const sold = order('o-1', time.now())
  script.rows = [sold]
  await time.advance(20 * SECOND)
  expect(asked.length).toBeGreaterThan(0)
  expect([await gists(), (await store.connections.get('shop'))?.state]).toEqual([['o-1 paid 20.00'], 'failing'])
  expect(await store.reconciliations.get('shop')).toMatchObject({ error: 'answered 503', last: null })
  script.before = () => undefined
  await time.advance(12 * MINUTE)
  expect(await store.reconciliations.get('shop')).toMatchObject({ error: null, last: { orders: 1 } })
  await end()
})

test('a daily reconciliation happens although the process restarts more often', async () => {
  const script: FeedScript = { rows: [], listsCreated: true }
  const { time, end, row, restart } = await shop(script, {
    reconcile: { every: '24h', lookBack: '30d' },
    pollEvery: '6h',
  })
  const first = (await row())?.nextAt ?? 0
  expect(first).toBeGreaterThan(time.now() + 2 * HOUR)
  expect(first).toBeLessThanOrEqual(time.now() + DAY)
  for (let restarts = 0; restarts < 6; restarts++) await restart(4 * HOUR)
  await time.advance(MINUTE)
  const last = (await row())?.last?.at ?? 0
  expect(last).toBeGreaterThanOrEqual(first)
  expect((await row())?.nextAt).toBeGreaterThan(last + 20 * HOUR)
  await end()
})

test('a shortened interval is valid from now on, restart or not', async () => {
  const script: FeedScript = { rows: [], listsCreated: true }
  const { time, end, row, restart } = await shop(script, { reconcile: { every: '24h', lookBack: '30d' } })
  await restart(SECOND, { reconcile: { every: '2s', lookBack: '30d' } })
  await time.advance(3 * SECOND)
  expect((await row())?.last).not.toBeNull()
  await end()
})

test('a restart continues in the middle of a reconciliation and reads no finished part again', async () => {
  const script: FeedScript = { rows: [], listsCreated: true, pageSize: 1 }
  const { time, end, row, restart, process } = await shop(script, { reconcile: { every: '1h', lookBack: '30d' } })
  script.rows = Array.from({ length: 45 }, (_, n) => order(`o-${n}`, time.now() - (n * DAY) / 2))
  let pages = 0
  script.before = ({ window }) => {
    if (window.to - window.from < HOUR) return undefined
    if (++pages > 30) throw new AppError('no connection', { code: 'vendor.unreachable', intent: 'retry' })
    return undefined
  }
  await time.advance(HOUR)
  const left = (await row())?.running?.spans ?? []
  expect(left.length).toBeGreaterThan(1)
  script.before = () => undefined
  await restart(SECOND)
  await time.advance(MINUTE)
  const [first] = process().created
  expect((await row())?.running).toBeNull()
  expect(first).not.toEqual({
    from: Math.min(...left.map(({ from }) => from)),
    to: Math.max(...left.map(({ to }) => to)),
  })
  expect(
    process().created.every(
      ({ to }) => to <= Math.max(...left.filter(({ by }) => by === 'created').map(one => one.to)),
    ),
  ).toBe(true)
  await end()
})

test('a connection with reconciliation turned off is not reconciled', async () => {
  const { time, end, row, process } = await shop({ rows: [], listsCreated: true }, { reconcile: false })
  await time.advance(5 * MINUTE)
  expect([await row(), process().created]).toEqual([null, []])
  await end()
})
