import { describe, expect, test } from 'vitest'
import { SANDBOX_BUYERS } from '../../src/sandbox/lapse.ts'
import { createLife, type Life, planLife } from '../../src/sandbox/life.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { quietShop, standingClock } from './quiet-shop.ts'

type Shown = Record<string, unknown> & { id?: string; status?: string; financial_status?: string }
const rowsOf = (shop: Sandbox, vendor: 'kakaclo' | 'tuya' | 'shoplazza'): Shown[] =>
  shop[vendor].shelf.window(0, Infinity).map(({ json }) => JSON.parse(json))

describe('the shop in time-lapse', () => {
  test('has paid orders at every vendor when it starts', async () => {
    const shop = await quietShop({ lapse: true, clock: standingClock(), seed: 1 })
    expect(rowsOf(shop, 'shoplazza').some(row => row.financial_status === 'paid')).toBe(true)
    expect(rowsOf(shop, 'kakaclo').some(row => row.financialStatus === 'paid')).toBe(true)
    expect(rowsOf(shop, 'tuya').some(row => row.pay_status === 'paid')).toBe(true)
  })

  test('tells the same story for the same seed and another for another', async () => {
    const story = async (seed: number): Promise<string> => {
      const clock = standingClock()
      const shop = await quietShop({ lapse: true, clock, seed })
      clock.move(300_000)
      return JSON.stringify([rowsOf(shop, 'shoplazza'), rowsOf(shop, 'kakaclo'), rowsOf(shop, 'tuya')])
    }
    expect(await story(3)).toBe(await story(3))
    expect(await story(3)).not.toBe(await story(4))
  })

  test('shows everything that can happen to an order, within minutes', async () => {
    const clock = standingClock()
    const shop = await quietShop({ lapse: true, clock, seed: 2 })
    const seen = new Set<string>()
    for (let second = 0; second < 1800; second += 1) {
      clock.move(1000)
      const now = clock.now() - 1500
      for (const { json } of shop.shoplazza.shelf.window(now, Infinity)) {
        const row = JSON.parse(json)
        seen.add(row.status).add(`money ${row.financial_status}`)
        for (const parcel of row.fulfillments) seen.add(`parcel ${parcel.status}`)
        if (row.fulfillments.length > 1) seen.add('several parcels')
      }
    }
    for (const what of [
      'opened',
      'placed',
      'finished',
      'cancelled',
      'money waiting',
      'money paid',
      'money refunding',
      'money refunded',
      'money partially_refunded',
      'money refund_failed',
      'parcel shipped',
      'parcel finished',
      'several parcels',
    ])
      expect(seen, what).toContain(what)
  })

  test('brings about one event a second over all vendors', async () => {
    const clock = standingClock()
    const shop = await quietShop({ lapse: true, clock, seed: 5 })
    const changes = { before: 0, after: 0 }
    const count = (): number =>
      (['kakaclo', 'tuya', 'shoplazza'] as const).reduce(
        (sum, vendor) => sum + shop[vendor].shelf.window(0, Infinity).reduce((top, { n }) => Math.max(top, n), 0),
        0,
      )
    changes.before = count()
    clock.move(600_000)
    changes.after = count()
    const perSecond = (changes.after - changes.before) / 600
    expect(perSecond).toBeGreaterThan(0.7)
    expect(perSecond).toBeLessThan(2)
  })

  test('keeps writing at its pace with a bounded number of orders', async () => {
    const clock = standingClock()
    const shop = await quietShop({ lapse: true, clock, seed: 1, speed: 100 })
    clock.move(500_000)
    const newest = shop.shoplazza.shelf.window(0, Infinity).at(-1)?.updatedAt ?? 0
    expect(clock.now() - newest).toBeLessThan(5_000)
    expect(shop.shoplazza.shelf.size()).toBeLessThan(3_200)
    expect(shop.tuya.shelf.size()).toBeLessThan(400)
  })

  test('gives orders of a later start other numbers', async () => {
    const clock = standingClock()
    const first = rowsOf(await quietShop({ lapse: true, clock, seed: 1 }), 'shoplazza').map(row => row.id)
    clock.move(3_600_000)
    const later = rowsOf(await quietShop({ lapse: true, clock, seed: 1 }), 'shoplazza').map(row => row.id)
    expect(later.filter(id => first.includes(id))).toEqual([])
  })

  test('gives the orders of each shop numbers of their own', async () => {
    const shop = await quietShop({ lapse: true, clock: standingClock(), seed: 1 })
    const digits = (['kakaclo', 'shoplazza', 'tuya'] as const).map(vendor =>
      rowsOf(shop, vendor).map(row => String(row.customOrderId ?? row.order_id ?? row.id).match(/\d{9}$/)?.[0]),
    )
    const all = digits.flat()
    expect(all.length).toBeGreaterThan(10)
    expect(all).not.toContain(undefined)
    expect(new Set(all).size).toBe(all.length)
  })

  test("spreads Tuya's orders over the fixed buyers", async () => {
    const clock = standingClock()
    const shop = await quietShop({ lapse: true, clock, seed: 1 })
    clock.move(60_000)
    for (const user of SANDBOX_BUYERS) expect(shop.tuya.shelf.ofOwner(user).length).toBeGreaterThan(0)
  })
})

describe('a life', () => {
  const lives = Array.from({ length: 300 }, (_, seed) => {
    const random = createRandom(seed)
    const birth = { id: `o${seed}`, number: String(seed), at: 1_000_000, buyer: 'b', dollars: false }
    const life: Life = createLife(random, birth)
    const steps = planLife(life, { random, speed: 1, refunds: 'after-delivery', lateNumbers: true })
    for (const step of steps) step.happen(life)
    return { life, steps, seconds: ((steps.at(-1)?.at ?? 0) - 1_000_000) / 1000 }
  })

  test('takes its steps in order of time and ends within about a minute', () => {
    for (const { steps, seconds } of lives) {
      expect(steps.map(({ at }) => at)).toEqual(steps.map(({ at }) => at).sort((a, b) => a - b))
      expect(seconds).toBeGreaterThan(3)
      expect(seconds).toBeLessThan(75)
    }
  })

  test('never refunds more than was paid, and ships every line once', () => {
    for (const { life } of lives) {
      const refunded = life.refunds
        .filter(({ state }) => state === 'finished')
        .reduce((sum, { amount }) => sum + amount, 0)
      expect(refunded).toBeLessThanOrEqual(life.total)
      if (life.packages.length > 0)
        expect(life.packages.flatMap(({ lines }) => lines.map(({ id }) => id)).sort()).toEqual(
          life.lines.map(({ id }) => id).sort(),
        )
    }
  })

  test('has parcels whose tracking number comes after they left, and none without one at the end', () => {
    const unlabelled = lives.map(({ steps }, seed) => {
      const random = createRandom(seed)
      const again = createLife(random, {
        id: `o${seed}`,
        number: String(seed),
        at: 1_000_000,
        buyer: 'b',
        dollars: false,
      })
      return steps.some(({ happen }) => {
        happen(again)
        return again.packages.some(({ trackingNumber }) => trackingNumber === null)
      })
    })
    expect(unlabelled.filter(Boolean).length).toBeGreaterThan(30)
    expect(lives.flatMap(({ life }) => life.packages).every(({ trackingNumber }) => trackingNumber !== null)).toBe(true)
  })
})
