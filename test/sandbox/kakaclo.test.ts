import { expect, test } from 'vitest'
import { ask, askKakaclo, quietShop } from './quiet-shop.ts'

const at = (minute: number): string => `2026-03-02T10:${String(minute).padStart(2, '0')}:00Z`
const row = (id: number, minute: number, more: object = {}) => ({
  id: String(id),
  status: 'waiting_to_ship',
  createDate: at(0),
  updateDate: at(minute),
  ...more,
})

test('a wrong token is refused', async () => {
  const shop = await quietShop()
  const answer = await ask(`${shop.url}/kakaclo/openapi/v2/order/orders`, { authorization: 'Bearer other' })
  expect(answer.status).toBe(401)
  expect(answer.body.code).not.toBe(10000)
})

test('pages hold 10 rows unless asked for more, and 250 at most', async () => {
  const shop = await quietShop()
  for (let id = 1; id <= 300; id += 1) shop.kakaclo.put(String(id), row(id, id % 60))

  const first = await askKakaclo(shop, '/v2/order/orders')
  expect(first.body).toMatchObject({ code: 10000, data: { total: 300, pageNumber: 1, pageSize: 10 } })
  expect(first.body.data.list).toHaveLength(10)

  const ids = new Set<string>()
  for (const page of [1, 2]) {
    const answer = await askKakaclo(shop, `/v2/order/orders?pageSize=900&pageNumber=${page}`)
    expect(answer.body.data.pageSize).toBe(250)
    for (const { id } of answer.body.data.list) ids.add(id)
  }
  expect(ids.size).toBe(300)
})

test('a window of update time is closed at both ends; unknown parameters are ignored', async () => {
  const shop = await quietShop()
  for (const minute of [1, 2, 3, 4]) shop.kakaclo.put(String(minute), row(minute, minute))
  const answer = await askKakaclo(shop, `/v1/order/orders?updateStartTime=${at(2)}&updateEndTime=${at(3)}&made_up=1`)
  expect(answer.body.data.list.map(({ id }: { id: string }) => id).sort()).toEqual(['2', '3'])
})

test('version 1 filters by status, version 2 does not; ids are a comma list in both', async () => {
  const shop = await quietShop()
  shop.kakaclo.put('1', row(1, 1, { status: 'cancel' }))
  shop.kakaclo.put('2', row(2, 2))
  const total = async (path: string): Promise<number> => (await askKakaclo(shop, path)).body.data.total
  expect(await total('/v1/order/orders?status=cancel')).toBe(1)
  expect(await total('/v2/order/orders?status=cancel')).toBe(2)
  expect(await total('/v2/order/orders?ids=1,2,3')).toBe(2)
  expect(await total('/v2/order/orders?ids=3')).toBe(0)
})

test('a row given as text is answered to the letter, so that a number keeps all of its digits', async () => {
  const shop = await quietShop()
  const text = '{"id": 9007199254740993, "totalAmount": 20.1200, "updateDate": "2026-03-02T10:00:00Z"}'
  const put = await ask(`${shop.url}/admin/kakaclo/orders/9007199254740993`, {}, { method: 'PUT', body: text })
  expect(put.status).toBe(204)
  expect((await askKakaclo(shop, '/v2/order/orders')).text).toContain(text)
})

test('a row may look different in version 1', async () => {
  const shop = await quietShop()
  shop.kakaclo.put('1', row(1, 1), { other: { id: '1', modifyDate: at(1), totalAmount: 5 } })
  expect((await askKakaclo(shop, '/v1/order/orders')).body.data.list).toEqual([
    { id: '1', modifyDate: at(1), totalAmount: 5 },
  ])
})

test('the refund query answers what was put, else a code', async () => {
  const shop = await quietShop()
  shop.kakaclo.putRefund('1', { refundNo: 'R1', refundStatus: 'pending_review', id: '1', remark: null })
  expect((await askKakaclo(shop, '/v2/order/orders/refund/1')).body.data.refundStatus).toBe('pending_review')
  expect((await askKakaclo(shop, '/v2/order/orders/refund/2')).body.code).not.toBe(10000)
})

test('the bucket overflows with 429 and a Retry-After', async () => {
  const shop = await quietShop()
  shop.kakaclo.turn({ limits: { perSecond: 0.001, burst: 2 } })
  const statuses = []
  for (let request = 0; request < 3; request += 1) statuses.push(await askKakaclo(shop, '/v2/order/orders'))
  expect(statuses.map(({ status }) => status)).toEqual([200, 200, 429])
  expect(Number(statuses[2]?.headers.get('retry-after'))).toBeGreaterThan(0)
})

test('an unknown route is 404', async () => {
  const shop = await quietShop()
  expect((await askKakaclo(shop, '/v3/order/orders')).status).toBe(404)
})
