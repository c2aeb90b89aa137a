import { describe, expect, test } from 'vitest'
import type { Reject, Window } from '../../src/sources/source.ts'
import { type FeedScript, MINUTE_START, ordersUpdatedAt } from '../helpers/scripted-feed.ts'
import { paid } from '../helpers/snapshots.ts'
import { clock, history, scene, signal, store } from './scene.ts'

const MINUTE = 60_000
const second = (n: number) => MINUTE_START + n * 1000
const holds = ({ from, to }: Window, n: number) => second(n) >= from && second(n) <= to
const ids = async () => new Set((await history()).map(({ data }) => data.orderId))
const spans = () => store.quarantine.spans('shop')

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
    const { poll, state, lines } = await world()
    await poll()
    expect(await ids()).toEqual(new Set(['o-1', 'o-3']))
    state.hides = false
    clock.shift(59 * MINUTE)
    await poll()
    expect(await ids()).toEqual(new Set(['o-1', 'o-2', 'o-3']))
    expect(await spans()).toEqual([])
    expect(lines.some(({ msg }) => String(msg).includes('could be read again'))).toBe(true)
  })

  test('has its span in quarantine, with what will be done about it', async () => {
    const { poll } = await world()
    await poll()
    const entries = await store.quarantine.list({ connection: 'shop' }, { limit: 10 })
    expect(entries.map(({ path, orderId }) => [path, orderId])).toContainEqual(['order_id', null])
    expect(entries.find(({ path }) => path === 'order_id')?.reason).toContain('read again after 1, 5 and 30 minutes')
    const [span] = await spans()
    expect(span && holds(span, 21)).toBe(true)
  })

  test('does not keep the orders beside it from later polls', async () => {
    const shop = shopThatHides()
    const { poll } = await world(shop)
    await poll()
    shop.script.rows.push(...ordersUpdatedAt([21]).map(row => ({ ...row, orderId: 'beside', paid: paid() })))
    const [late] = shop.script.rows.slice(-1)
    shop.state.hides = false
    await poll()
    expect(late && (await ids()).has('beside')).toBe(true)
  })

  test('is read six times within two days, and then only on request', async () => {
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
    expect((await spans()).map(({ nextAt, tries }) => [nextAt, tries])).toEqual([[null, 6]])
  })

  test('on request its span is read at once', async () => {
    const { poll, state } = await world()
    await poll()
    const entry = (await store.quarantine.list({}, { limit: 10 })).find(({ path }) => path === 'order_id')
    state.hides = false
    await store.quarantine.makeDue(entry?.id ?? '', clock.now())
    await poll()
    expect(await ids()).toContain('o-2')
  })

  test('makes one span of the polls that list it within a minute', async () => {
    const { poll } = await world()
    for (let at = 0; at < 5; at++) {
      await poll()
      clock.shift(5_000)
    }
    expect(await spans()).toHaveLength(1)
  })

  test('costs no more than fifty spans where there always is one', async () => {
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
    const open = (await spans()).filter(({ nextAt }) => nextAt !== null)
    expect(open.length).toBeLessThanOrEqual(50)
    expect(lines.filter(({ msg }) => String(msg).includes('too many rows')).length).toBeLessThanOrEqual(1)
  })

  test('in a dry run leaves nothing behind', async () => {
    const { ingest } = await world()
    await ingest.poll('shop', { signal, dryRun: true })
    expect(await spans()).toEqual([])
  })
})
