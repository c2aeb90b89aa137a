import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import type { Sandbox } from '../../../src/sandbox/sandbox.ts'
import { SHOPLAZZA_TOKEN } from '../../../src/sandbox/shoplazza.ts'
import { createVendorHttp } from '../../../src/sources/shared/http.ts'
import { createShoplazza } from '../../../src/sources/shoplazza/shoplazza.ts'
import type { FeedPage, OrderSource, ReadOptions, WindowFeed } from '../../../src/sources/source.ts'
import { quietShop } from '../../sandbox/quiet-shop.ts'
import { answering, closeAfterTest, failure, type Loopback, loopback } from '../loopback.ts'

const OLDER = '2022-01'
const NEWER = '2025-06'
const START = Date.parse('2026-03-02T10:00:00Z')
const DAY = { from: START, to: START + 86_400_000 }
const ASK: ReadOptions = { signal: new AbortController().signal, priority: 'live' }

const at = (second: number): string => `${new Date(START + second * 1000).toISOString().slice(0, 19)}Z`
const row = (id: string, second = 0, more: object = {}) => ({
  id,
  status: 'placed',
  financial_status: 'paid',
  currency: 'USD',
  total_price: '20.00',
  total_refund_price: '0.00',
  placed_at: at(second),
  updated_at: at(second),
  ...more,
})
const refunded = (id: string, more: object = {}) =>
  row(id, 0, { financial_status: 'partially_refunded', total_refund_price: '5.00', ...more })

function sourceOf(shop: Sandbox, version: string): OrderSource {
  const baseUrl = `${shop.url}/shoplazza/openapi/${version}`
  const http = createVendorHttp({
    connection: 'shop',
    baseUrl,
    limit: { perSecond: 1000, burst: 1000 },
    clock: systemClock(),
  })
  closeAfterTest(() => http.close())
  return createShoplazza({ connection: { baseUrl, accessToken: SHOPLAZZA_TOKEN, apiVersion: undefined }, http })
}

/** A source that asks a vendor whose answers the test makes up. */
const against = ({ http }: Loopback, version = OLDER): OrderSource =>
  createShoplazza({
    connection: { baseUrl: `http://127.0.0.1/openapi/${version}`, accessToken: 't', apiVersion: undefined },
    http,
  })

function feedOf(source: OrderSource): WindowFeed {
  if (source.feed.kind !== 'window') throw new TypeError('Shoplazza has a window feed')
  return source.feed
}

async function pagesOf(source: OrderSource, window = DAY): Promise<readonly FeedPage[]> {
  const pages: FeedPage[] = []
  for (let next: string | null = null; ; ) {
    const page = await feedOf(source).readPage(window, next, ASK)
    pages.push(page)
    if (page.next === null) return pages
    next = page.next
  }
}

const idsOf = (pages: readonly { orders: readonly { orderId: string }[] }[]): string[] =>
  pages.flatMap(({ orders }) => orders.map(({ orderId }) => orderId))

const queries = (shop: Sandbox): URLSearchParams[] =>
  shop.shoplazza.requests().map(({ url }) => new URL(url, 'http://x').searchParams)

describe.each([OLDER, NEWER, '2026-01'])('the feed of %s', version => {
  test('reads every order of a window once, over all of its pages', async () => {
    const shop = await quietShop()
    for (let index = 0; index < 600; index += 1) shop.shoplazza.put(`o${index}`, row(`o${index}`, index))
    const pages = await pagesOf(sourceOf(shop, version))
    expect(pages).toHaveLength(3)
    expect(new Set(idsOf(pages)).size).toBe(600)
    expect(idsOf(pages)).toHaveLength(600)
  })

  test('asks for whole seconds around the window, both ends included', async () => {
    const shop = await quietShop()
    for (const second of [0, 1, 2, 3]) shop.shoplazza.put(`o${second}`, row(`o${second}`, second))
    const pages = await pagesOf(sourceOf(shop, version), { from: START + 1_900, to: START + 2_000 })
    expect(idsOf(pages).sort()).toEqual(['o1', 'o2'])
    expect(queries(shop)[0]?.get('updated_at_min')).toBe(at(1))
    expect(queries(shop)[0]?.get('updated_at_max')).toBe(at(2))
  })

  test('asks by creation time where a reconciliation reads it (case 47)', async () => {
    const shop = await quietShop()
    for (const second of [0, 1, 2, 3])
      shop.shoplazza.put(`o${second}`, { ...row(`o${second}`, 50), created_at: at(second) })
    const { feed } = sourceOf(shop, version)
    if (feed.kind !== 'window') throw new TypeError('expected a window feed')
    const page = await feed.readCreated?.({ from: START + 1_900, to: START + 2_000 }, null, ASK)
    expect(page?.orders.map(({ orderId }) => orderId).sort()).toEqual(['o1', 'o2'])
    expect([...(queries(shop)[0]?.keys() ?? [])].filter(name => name.includes('_at_'))).toEqual([
      'created_at_min',
      'created_at_max',
    ])
  })

  test('an empty window is one page without rows', async () => {
    const shop = await quietShop()
    const pages = await pagesOf(sourceOf(shop, version))
    expect(pages).toEqual([expect.objectContaining({ orders: [], rejects: [], next: null })])
  })

  test('a row that is no order is set aside, and the rest of its page goes on', async () => {
    const shop = await quietShop()
    shop.shoplazza.put('bad', { updated_at: at(1) })
    shop.shoplazza.put('o1', row('o1', 1))
    const [page] = await pagesOf(sourceOf(shop, version))
    expect(page?.orders.map(({ orderId }) => orderId)).toEqual(['o1'])
    expect(page?.rejects).toMatchObject([{ orderId: null, path: 'id' }])
  })

  test('case 26: 406 asks for a smaller window', async () => {
    const shop = await quietShop()
    shop.shoplazza.fault({ status: 406 })
    expect((await failure(pagesOf(sourceOf(shop, version)))).intent).toBe('narrow')
  })

  test('case 27: 429 waits as long as it was told to', async () => {
    const shop = await quietShop()
    shop.shoplazza.fault({ status: 429, headers: { 'retry-after': '60' } })
    const error = await failure(pagesOf(sourceOf(shop, version)))
    expect(error).toMatchObject({ code: 'vendor.rate_limited', intent: 'retry' })
    expect(error.retryAfterMs).toBeGreaterThanOrEqual(60_000)
  })

  test('400 and 500 are retried and say what was asked; 401 stops', async () => {
    const shop = await quietShop()
    for (const [status, intent] of [
      [400, 'retry'],
      [500, 'retry'],
      [401, 'stop'],
    ] as const) {
      shop.shoplazza.fault({ status })
      expect(await failure(pagesOf(sourceOf(shop, version)))).toMatchObject({
        intent,
        message: expect.stringContaining('/orders'),
      })
    }
  })
})

describe('case 23: page sizes by version', () => {
  test('2022-01 has limit', async () => {
    const shop = await quietShop()
    await pagesOf(sourceOf(shop, OLDER))
    expect(queries(shop)[0]?.get('limit')).toBe('250')
    expect(queries(shop)[0]?.has('page_size')).toBe(false)
  })

  test('2025-06 has page_size', async () => {
    const shop = await quietShop()
    await pagesOf(sourceOf(shop, NEWER))
    expect(queries(shop)[0]?.get('page_size')).toBe('250')
    expect(queries(shop)[0]?.has('limit')).toBe(false)
  })
})

describe('paging of 2022-01', () => {
  const fullPage = (from: number) => Array.from({ length: 250 }, (_, index) => row(`o${from + index}`, index))

  test('without tokens goes by page numbers up to the count', async () => {
    const shop = await quietShop()
    shop.shoplazza.turn({ tokens: false })
    for (let index = 0; index < 500; index += 1) shop.shoplazza.put(`o${index}`, row(`o${index}`, index))
    const pages = await pagesOf(sourceOf(shop, OLDER))
    expect(new Set(idsOf(pages)).size).toBe(500)
    expect(queries(shop).map(query => query.get('page'))).toEqual(['1', '2'])
  })

  test('with tokens repeats the conditions and goes on behind the token', async () => {
    const shop = await quietShop()
    for (let index = 0; index < 300; index += 1) shop.shoplazza.put(`o${index}`, row(`o${index}`, index))
    await pagesOf(sourceOf(shop, OLDER))
    const [first, second] = queries(shop)
    expect(second?.get('next_token')).toEqual(expect.any(String))
    for (const name of ['updated_at_min', 'updated_at_max', 'limit']) expect(second?.get(name)).toBe(first?.get(name))
  })

  test('a token on a short last page is not followed', async () => {
    const vendor = await loopback(answering({ count: 1, next_token: 'more', orders: [row('o1')] }))
    expect(await pagesOf(against(vendor))).toHaveLength(1)
  })

  test('a short page before the count is reached is not the last', async () => {
    const vendor = await loopback(
      answering({ count: 2, next_token: 'a', orders: [row('o1')] }, { count: 2, next_token: '', orders: [row('o2')] }),
    )
    expect(idsOf(await pagesOf(against(vendor)))).toEqual(['o1', 'o2'])
  })

  test('case 25: a token that comes back is an error, not an endless walk', async () => {
    const vendor = await loopback(answering({ count: 900, next_token: 'same', orders: fullPage(0) }))
    const error = await failure(pagesOf(against(vendor)))
    expect(error).toMatchObject({ code: 'vendor.repeated_cursor', intent: 'retry' })
    expect(vendor.requests).toHaveLength(2)
  })

  test('case 25: tokens that lead in a circle end as well', async () => {
    let turn = 0
    const vendor = await loopback((_, response) => {
      turn += 1
      response.end(JSON.stringify({ count: 400, next_token: turn % 2 ? 'a' : 'b', orders: fullPage(0) }))
    })
    expect((await failure(pagesOf(against(vendor)))).code).toBe('vendor.repeated_cursor')
  })

  test('a list that is missing while rows are counted is an error', async () => {
    const vendor = await loopback(answering({ count: 3, orders: null }))
    expect(await failure(pagesOf(against(vendor)))).toMatchObject({ intent: 'retry', code: 'shoplazza.malformed' })
    const empty = await loopback(answering({ count: 0, orders: null }))
    expect(idsOf(await pagesOf(against(empty)))).toEqual([])
  })
})

describe('paging of 2025-06', () => {
  const page = (ids: readonly string[], more: object) => ({
    code: 'Success',
    message: '',
    data: { orders: ids.map(id => row(id)), ...more },
  })

  test.each([null, false])('case 24: has_more %j is the end, whatever the cursor says', async has_more => {
    const vendor = await loopback(answering(page(['o1'], { has_more, cursor: 'more' })))
    expect(await pagesOf(against(vendor, NEWER))).toHaveLength(1)
  })

  test('without has_more a cursor means more, until a page is empty', async () => {
    const vendor = await loopback(answering(page(['o1'], { cursor: 'a' }), page([], { cursor: 'b' })))
    expect(idsOf(await pagesOf(against(vendor, NEWER)))).toEqual(['o1'])
    expect(vendor.requests.map(({ url }) => url.searchParams.get('cursor'))).toEqual([null, 'a'])
  })

  test('case 25: a repeated cursor, or none although there is more, is an error', async () => {
    for (const cursor of ['same', '']) {
      const vendor = await loopback(answering(page(['o1'], { has_more: true, cursor })))
      expect((await failure(pagesOf(against(vendor, NEWER)))).code).toBe('vendor.repeated_cursor')
    }
  })

  test('a cursor of any length is handed back as it was', async () => {
    const cursor = 'c/+='.repeat(200)
    const vendor = await loopback(
      answering(page(['o1'], { has_more: true, cursor }), page(['o2'], { has_more: null, cursor: '' })),
    )
    expect(idsOf(await pagesOf(against(vendor, NEWER)))).toEqual(['o1', 'o2'])
    expect(vendor.requests[1]?.url.searchParams.get('cursor')).toBe(cursor)
  })
})

describe('envelopes', () => {
  const list = { orders: [row('o1')], has_more: null }

  test.each([
    ['bare', list],
    ['wrapped', { code: 'Success', message: '', data: list }],
    ['wrapped with another word', { code: 0, message: 'ok', data: list }],
    ['wrapped with the cursor outside', { code: 200, data: { orders: [row('o1')] }, has_more: null }],
    ['rows as data', { data: [row('o1')], has_more: null }],
  ])('a list %s is read', async (_, body) => {
    for (const version of [OLDER, NEWER])
      expect(idsOf(await pagesOf(against(await loopback(answering(body)), version)))).toEqual(['o1'])
  })

  test.each([
    ['in order', { order: row('o1') }],
    ['bare', row('o1')],
    ['wrapped', { code: 'Success', data: row('o1') }],
    ['wrapped in order', { code: 'Success', data: { order: row('o1') } }],
  ])('a detail %s is read', async (_, body) => {
    const vendor = await loopback(answering(body))
    const page = await against(vendor).fetch([{ orderId: 'o1', userId: null }], ASK)
    expect(idsOf([page])).toEqual(['o1'])
  })

  test('a code without data is an error that names the code', async () => {
    const vendor = await loopback(answering({ code: 'InternalError', message: 'secret words', data: null }))
    const error = await failure(pagesOf(against(vendor, NEWER)))
    expect(error.intent).toBe('retry')
    expect(error.message).toContain('InternalError')
    expect(error.message).not.toContain('secret words')
  })

  test.each(['[]', '"text"', 'null', '<html>'])('an answer that is %s is an error', async body => {
    const vendor = await loopback(answering(body))
    expect((await failure(pagesOf(against(vendor)))).intent).toBe('retry')
  })
})

describe.each([OLDER, NEWER])('orders by id in %s', version => {
  const refs = (...ids: string[]) => ids.map(orderId => ({ orderId, userId: null }))

  test('are asked for one by one when they are few; an unknown one is absent', async () => {
    const shop = await quietShop()
    for (const id of ['a', 'b']) shop.shoplazza.put(id, row(id))
    const page = await sourceOf(shop, version).fetch(refs('a', 'b', 'gone', 'a'), ASK)
    expect(idsOf([page])).toEqual(['a', 'b'])
    expect(Object.values(shop.shoplazza.counts())).toEqual([3])
  })

  test('are listed when they are many, and those not listed are asked for', async () => {
    const shop = await quietShop()
    const ids = Array.from({ length: 20 }, (_, index) => `o${index}`)
    for (const id of ids) shop.shoplazza.put(id, row(id))
    const page = await sourceOf(shop, version).fetch(refs(...ids, 'gone'), ASK)
    expect(idsOf([page]).sort()).toEqual([...ids].sort())
    expect(shop.shoplazza.counts()).toEqual({
      [`GET /shoplazza/openapi/${version}/orders`]: 1,
      [`GET /shoplazza/openapi/${version}/orders/{id}`]: 1,
    })
  })

  test('are asked for one by one after all when the ids are ignored', async () => {
    const shop = await quietShop()
    shop.shoplazza.turn({ ids: false })
    for (let index = 0; index < 8; index += 1) shop.shoplazza.put(`o${index}`, row(`o${index}`))
    shop.shoplazza.put('other', row('other'))
    const wanted = refs('o1', 'o2', 'o3', 'o4', 'o5', 'o6')
    const page = await sourceOf(shop, version).fetch(wanted, ASK)
    expect(idsOf([page])).toEqual(wanted.map(({ orderId }) => orderId))
  })

  test('come with their refund records', async () => {
    const shop = await quietShop()
    shop.shoplazza.put('a', refunded('a'))
    shop.shoplazza.putRefunds('a', [{ id: 'r1', order_id: 'a', refund_price: '5.00', status: 'finished' }])
    const page = await sourceOf(shop, version).fetch(refs('a'), ASK)
    expect(page.orders[0]?.refund?.records).toMatchObject([{ refundId: 'r1', amount: '5.00' }])
  })
})

test('another order than the one asked for is not believed', async () => {
  const vendor = await loopback(answering({ order: row('other') }))
  const error = await failure(against(vendor).fetch([{ orderId: 'o1', userId: null }], ASK))
  expect(error.intent).toBe('retry')
})

describe('the version', () => {
  const base = { accessToken: 't' }
  const source = async (connection: { baseUrl: string; apiVersion?: string }) => {
    const vendor = await loopback(answering({ orders: [], count: 0 }))
    await pagesOf(createShoplazza({ connection: { ...base, apiVersion: undefined, ...connection }, http: vendor.http }))
    return vendor.requests[0]?.url
  }

  test('is read from the end of the base URL, unless it is given', async () => {
    expect((await source({ baseUrl: 'https://x/openapi/2026-07/' }))?.searchParams.has('page_size')).toBe(true)
    expect((await source({ baseUrl: 'https://x/openapi/2022-01' }))?.searchParams.has('limit')).toBe(true)
    const given = await source({ baseUrl: 'https://x/openapi/2022-01', apiVersion: '2025-06' })
    expect(given?.searchParams.has('page_size')).toBe(true)
  })

  test('completes a base URL that ends before it', async () => {
    expect((await source({ baseUrl: 'https://x/openapi', apiVersion: '2022-01' }))?.pathname).toBe('/2022-01/orders')
  })

  test('must be somewhere', async () => {
    const error = await failure(source({ baseUrl: 'https://x/openapi' }))
    expect(error).toMatchObject({ intent: 'fix', message: expect.stringContaining('apiVersion') })
  })
})

test('check says which version answered', async () => {
  const shop = await quietShop()
  shop.shoplazza.put('o1', row('o1'))
  expect(await sourceOf(shop, OLDER).check(ASK)).toContain('2022-01')
  expect(await sourceOf(shop, NEWER).check(ASK)).toContain('2025-06')
})
