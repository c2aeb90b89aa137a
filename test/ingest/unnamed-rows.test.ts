import { describe, expect, test } from 'vitest'
import type { Reject, Window } from '../../src/sources/source.ts'
import { type FeedScript, MINUTE_START, ordersUpdatedAt } from '../helpers/scripted-feed.ts'
import { paid } from '../helpers/snapshots.ts'
import { clock, history, newStoreForEachTest, scene, signal, store } from './scene.ts'

newStoreForEachTest()

const MINUTE = 60_000
const second = (n: number) => MINUTE_START + n * 1000
const holds = ({ from, to }: Window, n: number) => second(n) >= from && second(n) <= to
const ids = async () => new Set((await history()).map(({ data }) => data.orderId))
const windows = () => store.unnamedWindows.list('shop')

/** A shop with orders of these seconds; the row of second 21 shows no id while `hides` says so. */
function shopThatHides(seconds: readonly number[] = [5, 21, 50]) {
  const rows = ordersUpdatedAt(seconds).map(row => ({ ...row, paid: paid() }))
  const state = { hides: true }
  const reject: Reject = { orderId: null, path: 'id', value: 'absent', reason: 'expected an order with an id' }
  const script: FeedScript = { rows }
  script.before = ({ window }) => {
    const listed = rows.filter(({ updatedAt }) => {
      const at = Date.parse(updatedAt ?? '')
      return at >= window.from && at <= window.to
    })
    const orders = listed.filter(({ updatedAt }) => !state.hides || Date.parse(updatedAt ?? '') !== second(21))
    const rejects = orders.length < listed.length ? [reject] : []
    return { orders, rejects, next: null, total: listed.length, pageSize: 10 }
  }
  return { script, state }
}

/** The present of the vendor and of ours, which go together. */
async function world(shop = shopThatHides()) {
  const made = await scene({ script: shop.script, backfill: '1d', reconcile: false, now: () => clock.now() })
  const poll = () => made.ingest.poll('shop', { signal })
  return { ...made, ...shop, poll }
}

describe('a row without an order id', () => {
  test('is read again after a minute, when no poll looks back to it any more', async () => {
    const { poll, state } = await world()
    await poll()
    expect(await ids()).toEqual(new Set(['o-1', 'o-3']))
    state.hides = false
    clock.shift(59 * MINUTE)
    await poll()
    expect(await ids()).toEqual(new Set(['o-1', 'o-2', 'o-3']))
    expect(await windows()).toEqual([])
  })

  test('makes one quarantine entry, which says so', async () => {
    const { poll } = await world()
    await poll()
    expect(await store.quarantine.list({ connection: 'shop' }, { limit: 10 })).toMatchObject([
      { orderId: null, path: 'id', reason: 'expected an order with an id', span: null },
    ])
  })

  test('does not keep the orders beside it from later polls', async () => {
    const shop = shopThatHides()
    const { poll } = await world(shop)
    await poll()
    shop.script.rows.push(...ordersUpdatedAt([22]).map(row => ({ ...row, orderId: 'beside', paid: paid() })))
    await poll()
    expect(await ids()).toContain('beside')
  })

  test('is read six times within two days, and then by the reconciliation', async () => {
    const { poll, requests } = await world()
    await poll()
    let reads = 0
    for (let hour = 0; hour < 60; hour++) {
      clock.shift(60 * MINUTE)
      requests.length = 0
      await poll()
      reads += requests.filter(({ window }) => holds(window, 21)).length
    }
    // The first of these polls looks back to it as well.
    expect(reads).toBe(6 + 1)
    expect(await windows()).toEqual([])
  })

  test('on request its window is read at once', async () => {
    const { poll, state } = await world()
    await poll()
    state.hides = false
    expect(await store.unnamedWindows.makeDue('shop', clock.now())).toBe(1)
    await poll()
    expect(await ids()).toContain('o-2')
  })

  test('makes one window of the polls that list it within a minute', async () => {
    const { poll } = await world()
    for (let at = 0; at < 5; at++) {
      await poll()
      clock.shift(5_000)
    }
    expect(await windows()).toHaveLength(1)
  })

  test('costs no more than fifty windows where there always is one', async () => {
    const shop = shopThatHides([21, ...Array.from({ length: 70 }, (_, n) => 21 + (n + 1) * 7_200)])
    const { script } = shop
    const before = script.before
    script.before = request => {
      const page = before?.(request)
      return (
        page && {
          ...page,
          orders: [],
          rejects: page.orders.map(() => ({ orderId: null, path: 'id', value: 'absent', reason: 'no id' })),
        }
      )
    }
    const { poll, lines } = await world(shop)
    for (let at = 0; at < 70; at++) {
      await poll()
      clock.shift(120 * MINUTE)
    }
    expect((await windows()).length).toBeLessThanOrEqual(50)
    expect(lines.filter(({ msg }) => String(msg).includes('too many rows')).length).toBeLessThanOrEqual(1)
  })

  test('in a dry run leaves nothing behind', async () => {
    const { ingest } = await world()
    await ingest.poll('shop', { signal, dryRun: true })
    expect(await windows()).toEqual([])
  })
})
