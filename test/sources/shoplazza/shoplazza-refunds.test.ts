import { describe, expect, test } from 'vitest'
import type { OrderSnapshot } from '../../../schemas/order.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import type { Sandbox } from '../../../src/sandbox/sandbox.ts'
import { SHOPLAZZA_TOKEN } from '../../../src/sandbox/shoplazza.ts'
import { createVendorHttp } from '../../../src/sources/shared/http.ts'
import { createShoplazza } from '../../../src/sources/shoplazza/shoplazza.ts'
import { readShoplazzaOrder } from '../../../src/sources/shoplazza/shoplazza-row.ts'
import type { OrderSource, ReadOptions } from '../../../src/sources/source.ts'
import { quietShop } from '../../sandbox/quiet-shop.ts'
import { closeAfterTest, failure, loopback } from '../loopback.ts'

const OLDER = '2022-01'
const NEWER = '2025-06'
const ASK: ReadOptions = { signal: new AbortController().signal, priority: 'live' }

function order(id: string, more: object = {}): OrderSnapshot {
  const row = {
    id,
    status: 'placed',
    financial_status: 'partially_refunded',
    currency: 'USD',
    total_refund_price: '5.00',
  }
  const read = readShoplazzaOrder({ ...row, updated_at: '2026-03-02T10:00:00Z', ...more })
  if ('reason' in read) throw new TypeError(read.reason)
  return read
}

const record = (id: string, orderId: string, more: object = {}) => ({
  id,
  order_id: orderId,
  refund_price: '5.00',
  currency: 'USD',
  status: 'finished',
  updated_at: '2026-03-02T11:00:00Z',
  ...more,
})

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

async function complete(
  source: OrderSource,
  orders: readonly OrderSnapshot[],
  options = ASK,
): Promise<readonly OrderSnapshot[]> {
  return (await source.complete?.(orders, options)) ?? []
}

/** An order with a shelf entry, so that the vendor knows it. */
function put(shop: Sandbox, id: string, records: readonly Record<string, unknown>[]): OrderSnapshot {
  shop.shoplazza.put(id, { id, updated_at: '2026-03-02T10:00:00Z' })
  shop.shoplazza.putRefunds(id, records)
  return order(id)
}

const recordsOf = (snapshot: OrderSnapshot | undefined) => snapshot?.refund?.records

describe.each([OLDER, NEWER])('refund records in %s', version => {
  test('are read ten orders at a time, for orders that show a refund, in the order given', async () => {
    const shop = await quietShop()
    const orders = Array.from({ length: 12 }, (_, index) => put(shop, `o${index}`, [record(`r${index}`, `o${index}`)]))
    const plain = order('plain', { financial_status: 'paid', total_refund_price: '' })
    const done = await complete(sourceOf(shop, version), [plain, ...orders])
    expect(done.map(({ orderId }) => orderId)).toEqual(['plain', ...orders.map(({ orderId }) => orderId)])
    expect(done[0]).toBe(plain)
    expect(done.slice(1).map(each => recordsOf(each))).toMatchObject(
      orders.map((_, index) => [{ refundId: `r${index}` }]),
    )
    expect(Object.values(shop.shoplazza.counts())).toEqual([2])
  })

  test('of several pages are all read', async () => {
    const shop = await quietShop()
    const many = Array.from({ length: 230 }, (_, index) => record(`r${index}`, 'o1', { refund_price: '0.01' }))
    const [done] = await complete(sourceOf(shop, version), [put(shop, 'o1', many)])
    expect(recordsOf(done)).toHaveLength(230)
  })

  test('case 32: pending and failed ones say nothing', async () => {
    const shop = await quietShop()
    const records = [record('r1', 'o1', { status: 'pending' }), record('r2', 'o1', { status: 'failed' })]
    const [done] = await complete(sourceOf(shop, version), [put(shop, 'o1', records)])
    expect(recordsOf(done)).toEqual([])
    expect(done?.doubts).toEqual([])
  })

  test('have their status in either word', async () => {
    const shop = await quietShop()
    const records = [record('r1', 'o1', { status: undefined, refund_status: 'finished' }), record('r2', 'o1')]
    const [done] = await complete(sourceOf(shop, version), [put(shop, 'o1', records)])
    expect(recordsOf(done)).toHaveLength(2)
  })

  test('are delayed, not lost, by a 429, a 5xx or a broken connection', async () => {
    for (const fault of [{ status: 429 }, { status: 500 }, { reset: true }, { truncate: 5 }]) {
      const shop = await quietShop()
      const known = put(shop, 'o1', [record('r1', 'o1')])
      shop.shoplazza.fault(fault)
      const source = sourceOf(shop, version)
      const [first] = await complete(source, [known])
      expect(recordsOf(first)).toBe('delayed')
      expect(first).toBe(known)
    }
  })

  test('that were read before the trouble are kept', async () => {
    const shop = await quietShop()
    const orders = Array.from({ length: 11 }, (_, index) => put(shop, `o${index}`, [record(`r${index}`, `o${index}`)]))
    shop.shoplazza.fault({ after: 1, status: 503 })
    const done = await complete(sourceOf(shop, version), orders)
    expect(recordsOf(done[0])).toMatchObject([{ refundId: 'r0' }])
    expect(recordsOf(done[10])).toBe('delayed')
  })

  test.each([403, 404, 405])('are unavailable when the endpoints answer %i', async status => {
    const shop = await quietShop()
    shop.shoplazza.fault({ status, times: 9 })
    const [done] = await complete(sourceOf(shop, version), [order('o1')])
    expect(recordsOf(done)).toBe('unavailable')
  })

  test('are read order by order where the list is not there, does not understand us or ignores the ids', async () => {
    for (const trouble of ['404', '400', 'ids']) {
      const shop = await quietShop()
      const orders = [put(shop, 'o1', [record('r1', 'o1')]), put(shop, 'o2', [])]
      put(shop, 'other', [record('r9', 'other')])
      if (trouble === 'ids') shop.shoplazza.turn({ ids: false })
      else shop.shoplazza.fault({ match: '/refund_records', status: Number(trouble) })
      const done = await complete(sourceOf(shop, version), orders)
      expect(done.map(each => recordsOf(each))).toMatchObject([[{ refundId: 'r1' }], []])
    }
  })

  test('without the order they belong to are not taken from a list', async () => {
    const shop = await quietShop()
    const known = put(shop, 'o1', [record('r1', 'o1', { order_id: undefined })])
    const [done] = await complete(sourceOf(shop, version), [known])
    // The path of the second request says whose they are.
    expect(recordsOf(done)).toMatchObject([{ refundId: 'r1' }])
    expect(shop.shoplazza.counts()).toHaveProperty([`GET /shoplazza/openapi/${version}/orders/{id}/refund`])
  })

  test('called off, it says so', async () => {
    const shop = await quietShop()
    const call = new AbortController()
    shop.shoplazza.fault({ run: () => call.abort(), delayMs: 50 })
    const error = await failure(complete(sourceOf(shop, version), [order('o1')], { ...ASK, signal: call.signal }))
    expect(error.code).toBe('vendor.aborted')
  })
})

test('a refund list whose cursor repeats is left for the orders themselves', async () => {
  const { http, requests } = await loopback(({ url = '' }, response) => {
    const isList = url.includes('/refund_records')
    const more = isList ? { has_more: true, cursor: 'same' } : {}
    response.end(JSON.stringify({ code: 'success', data: { ...more, records: [record('r1', 'o1')] } }))
  })
  const connection = { baseUrl: 'http://x/2025-06', accessToken: 't', apiVersion: undefined }
  const [done] = await complete(createShoplazza({ connection, http }), [order('o1')])
  expect(recordsOf(done)).toMatchObject([{ refundId: 'r1' }])
  expect(requests.map(({ url }) => url.pathname)).toEqual([
    '/orders/refund_records',
    '/orders/refund_records',
    '/orders/o1/refund',
  ])
})

describe('one refund record', () => {
  async function read(more: object, orderMore: object = {}): Promise<OrderSnapshot | undefined> {
    const { http } = await loopback((_, response) =>
      response.end(JSON.stringify({ records: [record('r1', 'o1', more)] })),
    )
    const connection = { baseUrl: 'http://x/2022-01', accessToken: 't', apiVersion: undefined }
    const [done] = await complete(createShoplazza({ connection, http }), [order('o1', orderMore)])
    return done
  }
  const first = async (more: object, orderMore: object = {}) => {
    const records = recordsOf(await read(more, orderMore))
    return typeof records === 'object' ? records[0] : undefined
  }

  test('is dated by the end of its last payment, else its own end, else its last change', async () => {
    const parts = [
      { finished_at: '2026-03-02T10:30:00Z' },
      { finished_at: '2026-03-02T06:45:00-04:00' },
      { finished_at: null },
    ]
    expect((await first({ payment_details: parts }))?.when).toEqual({
      at: '2026-03-02T10:45:00.000Z',
      source: 'vendor',
    })
    expect((await first({ finished_at: '2026-03-02T10:20:00Z' }))?.when).toEqual({
      at: '2026-03-02T10:20:00.000Z',
      source: 'vendor',
    })
    expect((await first({}))?.when).toEqual({ at: '2026-03-02T11:00:00.000Z', source: 'updated' })
    expect((await first({ updated_at: null }))?.when).toBeNull()
  })

  test('has the currency of the order where it names none, and its digits', async () => {
    expect(await first({ currency: undefined, refund_price: '500' }, { currency: 'JPY' })).toMatchObject({
      amount: '500',
      currency: 'JPY',
    })
  })

  test("case 45: with an unreadable currency is not taken for one in the order's", async () => {
    const done = await read({ currency: 'US Dollar' })
    expect(recordsOf(done)).toMatchObject([{ refundId: 'r1', amount: '5.00', currency: null }])
    expect(done?.doubts).toMatchObject([{ path: 'refund_records[r1].currency' }])
  })

  test('gives a reason only where there is a field for it, never the free note', async () => {
    expect((await first({ refund_reason: 'damaged', note: 'call Test Buyer' }))?.reason).toBe('damaged')
    expect((await first({ refund_reason: 'write to jane@example.com' }))?.reason).toBe('write to [email]')
    expect((await first({ note: 'call Test Buyer' }))?.reason).toBeNull()
  })

  test('case 33: with an unreadable amount is told without one, and doubted', async () => {
    const done = await read({ refund_price: '5,00' })
    expect(recordsOf(done)).toMatchObject([{ refundId: 'r1', amount: null }])
    expect(done?.doubts).toMatchObject([{ path: 'refund_records[r1].refund_price' }])
  })

  test('of an unknown status, or without an id, waits and is doubted', async () => {
    for (const more of [{ status: 'levitating' }, { id: null }]) {
      const done = await read(more)
      expect(recordsOf(done)).toEqual([])
      expect(done?.doubts).toHaveLength(1)
    }
  })

  test.each(['r\0', 'r\ud800'])(
    'with the id %j, which no database keeps to the letter, waits and is doubted',
    async id => {
      const done = await read({ id })
      expect(recordsOf(done)).toEqual([])
      expect(done?.doubts.map(({ path }) => path)).toContain('refund_records.id')
    },
  )

  test('comes after the older ones, and last where it has no time', async () => {
    const { http } = await loopback((_, response) =>
      response.end(
        JSON.stringify({
          records: [
            record('timeless', 'o1', { updated_at: null }),
            record('late', 'o1', { updated_at: '2026-03-02T12:00:00Z' }),
            record('early', 'o1', { updated_at: '2026-03-02T09:00:00Z' }),
          ],
        }),
      ),
    )
    const connection = { baseUrl: 'http://x/2022-01', accessToken: 't', apiVersion: undefined }
    const [done] = await complete(createShoplazza({ connection, http }), [order('o1')])
    expect(recordsOf(done)).toMatchObject([{ refundId: 'early' }, { refundId: 'late' }, { refundId: 'timeless' }])
  })
})
