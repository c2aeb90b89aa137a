import { describe, expect, test } from 'vitest'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import { ask, askShoplazza, quietShop } from './quiet-shop.ts'

const at = (second: number): string =>
  `2026-03-02T10:${String(Math.floor(second / 60)).padStart(2, '0')}:${String(second % 60).padStart(2, '0')}Z`
const row = (id: string, second: number, more: object = {}) => ({
  id,
  status: 'placed',
  financial_status: 'paid',
  created_at: at(0),
  updated_at: at(second),
  ...more,
})

function fill(shop: Sandbox, count: number): void {
  for (let index = 0; index < count; index += 1) shop.shoplazza.put(`o${index}`, row(`o${index}`, index))
}

const idsOf = (orders: readonly { id: string }[]): string[] => orders.map(({ id }) => id)

test('a wrong token is 401, an unknown version or route 404', async () => {
  const shop = await quietShop()
  const base = `${shop.url}/shoplazza/openapi`
  expect((await ask(`${base}/2022-01/orders`, { 'access-token': 'other' })).status).toBe(401)
  expect((await askShoplazza(shop, '/2019-01/orders')).status).toBe(404)
  expect((await askShoplazza(shop, '/2022-01/other')).status).toBe(404)
})

describe('2022-01', () => {
  test('pages by number with a count, 10 rows unless asked for more', async () => {
    const shop = await quietShop()
    fill(shop, 12)
    const first = await askShoplazza(shop, '/2022-01/orders')
    expect(first.body).toMatchObject({ count: 12, orders: { length: 10 } })
    const second = await askShoplazza(shop, '/2022-01/orders?page=2')
    expect(new Set([...idsOf(first.body.orders), ...idsOf(second.body.orders)]).size).toBe(12)
  })

  test('pages by token, which holds only for the same conditions', async () => {
    const shop = await quietShop()
    fill(shop, 7)
    const conditions = `limit=3&updated_at_min=${at(0)}`
    const seen: string[] = []
    let token = ''
    do {
      const path = `/2022-01/orders?${conditions}${token && `&next_token=${token}`}`
      const { body } = await askShoplazza(shop, path)
      seen.push(...idsOf(body.orders))
      token = body.next_token
    } while (token !== '')
    expect(seen).toEqual(['o6', 'o5', 'o4', 'o3', 'o2', 'o1', 'o0'])
    const { body } = await askShoplazza(shop, `/2022-01/orders?${conditions}`)
    const other = await askShoplazza(shop, `/2022-01/orders?limit=3&next_token=${body.next_token}`)
    expect(other.status).toBe(400)
  })

  test('refuses pages too large or too deep with 406, and unknown sorting with 400', async () => {
    const shop = await quietShop()
    shop.shoplazza.turn({ deepest: 100 })
    const status = async (query: string): Promise<number> =>
      (await askShoplazza(shop, `/2022-01/orders?${query}`)).status
    expect(await status('limit=251')).toBe(406)
    expect(await status('limit=50&page=3')).toBe(406)
    expect(await status('limit=50&page=2')).toBe(200)
    expect(await status('sort_by=color')).toBe(400)
    expect(await status('sort_direction=up')).toBe(400)
  })

  test('filters by times, closed at both ends, by status and by ids, and ignores what it does not know', async () => {
    const shop = await quietShop()
    fill(shop, 5)
    shop.shoplazza.put('x', row('x', 9, { status: 'cancelled', placed_at: at(9) }))
    const found = async (query: string): Promise<string[]> =>
      idsOf((await askShoplazza(shop, `/2022-01/orders?sort_direction=asc&${query}`)).body.orders)
    expect(await found(`updated_at_min=${at(1)}&updated_at_max=${at(2)}`)).toEqual(['o1', 'o2'])
    expect(await found('status=cancelled')).toEqual(['x'])
    expect(await found(`placed_at_min=${at(1)}`)).toEqual(['x'])
    expect(await found('ids=o1,x')).toEqual(['o1', 'x'])
    expect(await found('made_up=1')).toHaveLength(6)
  })

  test('answers a detail as an order, and an unknown one with 404', async () => {
    const shop = await quietShop()
    fill(shop, 1)
    expect((await askShoplazza(shop, '/2022-01/orders/o0')).body.order.id).toBe('o0')
    expect((await askShoplazza(shop, '/2022-01/orders/o9')).status).toBe(404)
  })
})

describe('2025-06 and later', () => {
  test('pages by cursor and ends with has_more null; answers are wrapped', async () => {
    const shop = await quietShop()
    fill(shop, 5)
    const first = await askShoplazza(shop, '/2025-06/orders?page_size=3')
    expect(first.body).toMatchObject({ code: 'Success', data: { has_more: true, orders: { length: 3 } } })
    const second = await askShoplazza(shop, `/2026-01/orders?page_size=3&cursor=${first.body.data.cursor}`)
    expect(second.body.data).toMatchObject({ has_more: null, orders: { length: 2 } })
  })

  test('takes ids as repeated names and shows its own shape of an order', async () => {
    const shop = await quietShop()
    fill(shop, 3)
    shop.shoplazza.put('x', row('x', 9, { canceled_at: null }), { other: row('x', 9, { cancelled_at: null }) })
    const { data } = (await askShoplazza(shop, '/2025-06/orders?ids=o1&ids=x')).body
    expect(idsOf(data.orders)).toEqual(['x', 'o1'])
    expect(data.orders[0]).toHaveProperty('cancelled_at')
    shop.shoplazza.turn({ wrap: false })
    expect((await askShoplazza(shop, '/2025-06/orders/x')).body.order).toHaveProperty('cancelled_at')
  })
})

describe('refund records', () => {
  const records = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      id: `r${index}`,
      order_id: 'o0',
      refund_price: '1.00',
      status: 'finished',
    }))

  test('are listed for at most 10 orders, by page or by cursor', async () => {
    const shop = await quietShop()
    fill(shop, 1)
    shop.shoplazza.putRefunds('o0', records(5))
    const older = await askShoplazza(shop, '/2022-01/orders/refund_records?order_ids=o0,o1&per_page=3&page=2')
    expect(older.body.records).toHaveLength(2)
    const newer = await askShoplazza(shop, '/2025-06/orders/refund_records?order_ids=o0&page_size=3')
    expect(newer.body.data).toMatchObject({ has_more: true, records: { length: 3 } })
    const rest = `/2025-06/orders/refund_records?order_ids=o0&page_size=3&cursor=${newer.body.data.cursor}`
    expect((await askShoplazza(shop, rest)).body.data).toMatchObject({ has_more: null, records: { length: 2 } })
    const eleven = Array.from({ length: 11 }, (_, index) => `o${index}`).join(',')
    expect((await askShoplazza(shop, `/2022-01/orders/refund_records?order_ids=${eleven}`)).status).toBe(400)
  })

  test('of one order are answered with its statuses', async () => {
    const shop = await quietShop()
    fill(shop, 1)
    shop.shoplazza.putRefunds('o0', records(1))
    const { body } = await askShoplazza(shop, '/2022-01/orders/o0/refund')
    expect(body).toMatchObject({ order_financial_status: 'paid', records: [{ id: 'r0' }] })
    expect((await askShoplazza(shop, '/2025-06/orders/o0/refund')).body.data.records).toHaveLength(1)
  })
})
