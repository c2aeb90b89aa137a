import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createSandbox } from '../../src/sandbox/sandbox.ts'
import { SHOPLAZZA_WEBHOOK_SECRET } from '../../src/sandbox/shoplazza.ts'
import { ask, askKakaclo, askShoplazza, quietShop } from './quiet-shop.ts'

const PATH = '/2022-01/orders'
const ROW = { id: 'o1', updated_at: '2026-03-02T10:00:00Z' }

describe('the vendors in common', () => {
  test("tell their own clock's time, which may be off", async () => {
    const shop = await quietShop()
    shop.shoplazza.turn({ clockOffsetMs: 3_600_000 })
    const [ahead, right] = [await askShoplazza(shop, PATH), await askKakaclo(shop, '/v2/order/orders')]
    const difference = Date.parse(ahead.headers.get('date') ?? '') - Date.parse(right.headers.get('date') ?? '')
    expect(difference).toBeGreaterThan(3_590_000)
  })

  test('count requests by route and remember the last ones', async () => {
    const shop = await quietShop()
    await askShoplazza(shop, `${PATH}/a`)
    await askShoplazza(shop, `${PATH}/b?x=1`)
    expect(shop.shoplazza.counts()).toEqual({ 'GET /shoplazza/openapi/2022-01/orders/{id}': 2 })
    expect(shop.shoplazza.requests().at(-1)).toMatchObject({
      url: '/shoplazza/openapi/2022-01/orders/b?x=1',
      status: 404,
    })
    expect(shop.kakaclo.counts()).toEqual({})
    shop.shoplazza.forgetRequests()
    expect(shop.shoplazza.requests()).toEqual([])
  })

  test('change an order when told to, and show it as changed now', async () => {
    const shop = await quietShop()
    shop.shoplazza.put('o1', ROW)
    expect(shop.shoplazza.patch('o1', { status: 'finished' })).toBe(true)
    const { order } = (await askShoplazza(shop, `${PATH}/o1`)).body
    expect(order.status).toBe('finished')
    expect(Date.parse(order.updated_at)).toBeGreaterThan(Date.parse(ROW.updated_at))
    expect(shop.shoplazza.patch('o2', {})).toBe(false)
  })

  test('answer 100,000 orders: an empty window asks for no work, and every order is found by its id', async () => {
    const shop = await quietShop()
    for (let index = 0; index < 100_000; index += 1) shop.shoplazza.put(`o${index}`, { ...ROW, id: `o${index}` })
    const nothing = await askShoplazza(shop, `${PATH}?updated_at_min=2026-03-02T10:00:01Z`)
    expect(nothing.body).toMatchObject({ count: 0, orders: [] })
    expect((await askShoplazza(shop, `${PATH}/o99999`)).body.order.id).toBe('o99999')
  })
})

describe('faults', () => {
  test('answer with what was scripted, as often as scripted, then the truth', async () => {
    const shop = await quietShop()
    shop.shoplazza.fault({ match: '/orders', times: 2, status: 429, headers: { 'retry-after': '7' }, body: 'busy' })
    const answers = [await askShoplazza(shop, PATH), await askShoplazza(shop, PATH), await askShoplazza(shop, PATH)]
    expect(answers.map(({ status }) => status)).toEqual([429, 429, 200])
    expect(answers[0]?.headers.get('retry-after')).toBe('7')
    expect(answers[0]?.text).toBe('busy')
  })

  test('lay something over the true answer', async () => {
    const shop = await quietShop()
    shop.kakaclo.put('1', { id: '1', updateDate: '2026-03-02T10:00:00Z' })
    shop.kakaclo.fault({ merge: { data: { list: null } } })
    expect((await askKakaclo(shop, '/v2/order/orders')).body.data).toMatchObject({ total: 1, list: null })
  })

  test('close the connection without an answer, or in the middle of one', async () => {
    const shop = await quietShop()
    shop.shoplazza.put('o1', ROW)
    shop.shoplazza.fault({ reset: true })
    await expect(askShoplazza(shop, PATH)).rejects.toThrow()
    shop.shoplazza.fault({ truncate: 20 })
    await expect(askShoplazza(shop, PATH)).rejects.toThrow()
    expect((await askShoplazza(shop, PATH)).status).toBe(200)
  })

  test('run something while a request waits', async () => {
    const shop = await quietShop()
    shop.shoplazza.fault({ run: () => shop.shoplazza.put('o1', ROW), delayMs: 1 })
    expect((await askShoplazza(shop, PATH)).body.count).toBe(1)
  })
})

describe('/admin', () => {
  const send = (url: string, method: string, body?: unknown) =>
    ask(url, {}, { method, ...(body !== undefined && { body: JSON.stringify(body) }) })

  test('puts, changes, shows and removes orders', async () => {
    const shop = await quietShop()
    const orders = `${shop.url}/admin/shoplazza/orders`
    await send(orders, 'PUT', [ROW, { ...ROW, id: 'o2' }])
    expect((await send(`${orders}/o1`, 'PATCH', { status: 'placed' })).status).toBe(204)
    expect((await send(`${orders}/o1`, 'GET')).body.status).toBe('placed')
    expect((await send(orders, 'GET')).body).toEqual({ size: 2, newest: ['o1', 'o2'] })
    expect((await send(`${orders}/o1`, 'DELETE')).status).toBe(204)
    expect((await send(`${orders}/o1`, 'DELETE')).status).toBe(404)
    await send(orders, 'DELETE')
    expect((await send(orders, 'GET')).body.size).toBe(0)
    expect((await send(`${shop.url}/admin/other/orders`, 'GET')).status).toBe(404)
  })

  test('scripts faults, turns switches, puts refund records and reads what was asked', async () => {
    const shop = await quietShop()
    const admin = `${shop.url}/admin/shoplazza`
    expect((await send(`${admin}/faults`, 'POST', { status: 500 })).status).toBe(204)
    expect((await send(`${admin}/switches`, 'PATCH', { wrap: false })).body.wrap).toBe(false)
    await send(`${admin}/refunds/o1`, 'PUT', [{ id: 'r1', order_id: 'o1' }])
    expect((await askShoplazza(shop, PATH)).status).toBe(500)
    const records = await askShoplazza(shop, '/2025-06/orders/refund_records?order_ids=o1')
    expect(records.body.data.records).toHaveLength(1)
    expect((await send(`${admin}/requests`, 'GET')).body.requests).toHaveLength(2)
    expect((await send(`${admin}/faults`, 'POST', { sttus: 500 })).status).toBe(400)
    expect((await send(`${admin}/switches`, 'PATCH', { unknown: 1 })).status).toBe(400)
  })
})

describe('webhooks', () => {
  test('are signed over the body as it is sent, and carry the headers of the vendor', async () => {
    const shop = await quietShop()
    shop.shoplazza.put('o1', ROW)
    const received: { headers: IncomingHttpHeaders; body: string }[] = []
    const server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      received.push({ headers: request.headers, body })
      response.statusCode = 202
      response.end()
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close().closeAllConnections())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/shop`
    const webhook = { url, topic: 'orders/paid', orderId: 'o1', deduplicationId: 'd1' }

    const answer = await ask(
      `${shop.url}/admin/shoplazza/webhooks`,
      {},
      { method: 'POST', body: JSON.stringify(webhook) },
    )

    expect(answer.body).toEqual({ statusCode: 202 })
    const [{ headers, body } = { headers: {}, body: '' }] = received
    expect(JSON.parse(body)).toEqual(ROW)
    expect(headers).toMatchObject({
      'x-shoplazza-topic': 'orders/paid',
      'x-shoplazza-deduplication-id': 'd1',
      'x-shoplazza-hmac-sha256': createHmac('sha256', SHOPLAZZA_WEBHOOK_SECRET).update(body).digest('base64'),
    })
  })

  test('go to loopback only', async () => {
    const shop = await quietShop()
    await expect(shop.sendWebhook({ url: 'http://192.0.2.1/x', body: {} })).rejects.toMatchObject({
      code: 'sandbox.address',
    })
  })
})

test('a port that is taken is said so', async () => {
  const shop = await quietShop()
  await expect(quietShop({ port: shop.port })).rejects.toMatchObject({ code: 'sandbox.port', intent: 'fix' })
})

test('closing ends open connections and frees the port', async () => {
  const { systemClock } = await import('../../src/lib/clock.ts')
  const shop = await createSandbox({ port: 0, clock: systemClock() })
  await askShoplazza(shop, PATH)
  await shop.close()
  await expect(askShoplazza(shop, PATH)).rejects.toThrow()
})
