import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EventRecord } from '../../../src/order/event-record.ts'
import { type Harness, NOW, openHarness } from '../harness.ts'

let api: Harness
let all: readonly EventRecord[]
const HOUR = 3_600_000
const ODD = 'a/b c?d#e%2F ü"😀'

beforeAll(async () => {
  api = await openHarness()
  all = [
    ...(await api.seed('kk', '1', {}, NOW - 3 * HOUR)),
    ...(await api.seed('shop', '1', {}, NOW - 2 * HOUR)),
    ...(await api.seed('shop', ODD, {}, NOW - HOUR)),
  ]
})
afterAll(() => api.close())

const ids = (answer: { body: { data: { id: string }[] } }) => answer.body.data.map(({ id }) => id)
const idsOf = (events: readonly EventRecord[]) => events.map(({ id }) => id)

describe('GET /v1/events', () => {
  test('shows the events themselves, byte for byte, oldest first', async () => {
    const { status, text, headers } = await api.call('GET', '/v1/events')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/json')
    expect(text).toBe(`{"data":[${all.map(({ body }) => body).join(',')}],"next":null}`)
  })

  test('pages through all of them, each once', async () => {
    const seen: string[] = []
    let next: string | null = ''
    while (next !== null) {
      const page = await api.call('GET', `/v1/events?limit=1${next && `&after=${next}`}`)
      expect(page.body.data).toHaveLength(1)
      seen.push(...ids(page))
      next = page.body.next
    }
    expect(seen).toEqual(idsOf(all))
  })

  test('filters by type, repeated or as a list', async () => {
    const paid = idsOf(all.filter(({ type }) => type === 'order.paid'))
    expect(ids(await api.call('GET', '/v1/events?type=order.paid'))).toEqual(paid)
    const both = idsOf(all)
    expect(ids(await api.call('GET', '/v1/events?type=order.paid&type=order.shipped'))).toEqual(both)
    expect(ids(await api.call('GET', '/v1/events?type=order.paid,order.shipped'))).toEqual(both)
    expect(ids(await api.call('GET', '/v1/events?type=order.refunded'))).toEqual([])
  })

  test('filters by connection, order and time of observation', async () => {
    const of = (connection: string) => idsOf(all.filter(event => event.connection === connection))
    expect(ids(await api.call('GET', '/v1/events?connection=kk'))).toEqual(of('kk'))
    expect(ids(await api.call('GET', '/v1/events?connection=kk,shop&order=1'))).toHaveLength(4)
    expect(ids(await api.call('GET', `/v1/events?order=${encodeURIComponent(ODD)}`))).toHaveLength(2)
    expect(ids(await api.call('GET', '/v1/events?order=unknown'))).toEqual([])
    const at = (ms: number) => encodeURIComponent(new Date(ms).toISOString())
    expect(ids(await api.call('GET', `/v1/events?since=${at(NOW - 2 * HOUR)}`))).toEqual(idsOf(all.slice(2)))
    expect(ids(await api.call('GET', `/v1/events?until=${at(NOW - 2 * HOUR)}`))).toEqual(idsOf(all.slice(0, 2)))
    expect(ids(await api.call('GET', '/v1/events?since=2026-03-05T11:00:00%2B01:00'))).toEqual(idsOf(all.slice(2)))
    expect(ids(await api.call('GET', '/v1/events?since=2026-03-05T11:00:00+01:00'))).toEqual(idsOf(all.slice(2)))
    expect(ids(await api.call('GET', '/v1/events?since=2026-03-06'))).toEqual([])
  })

  test.each([
    ['type=order.lost', 'type.0'],
    ['type=', 'type.0'],
    ['connection=nowhere', 'connection'],
    ['since=yesterday', 'since'],
    ['since=2026-02-30T00:00:00Z', 'since'],
    ['until=1767225600000', 'until'],
    ['limit=0', 'limit'],
    ['limit=251', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['after=nonsense', 'after'],
    ['after=', 'after'],
    ['order=', 'order'],
    ['order=a%00b', 'order'],
    ['offset=3', 'offset'],
    ['__proto__=1', '__proto__'],
    ['constructor=1', 'constructor'],
  ])('refuses %s', async (query, path) => {
    const { status, headers, body } = await api.call('GET', `/v1/events?${query}`)
    expect(status).toBe(400)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(body).toMatchObject({
      status: 400,
      title: 'Bad Request',
      type: expect.any(String),
      detail: expect.any(String),
    })
    expect(body.errors).toEqual([{ path, message: expect.any(String) }])
  })

  test('refuses the cursor of another list', async () => {
    const { body } = await api.call('GET', '/v1/connections?limit=1')
    expect((await api.call('GET', `/v1/events?after=${body.next}`)).status).toBe(400)
  })
})

describe('GET /v1/events/{id}', () => {
  test('shows the event and its deliveries', async () => {
    const [event] = all
    await api.store.deliveries.record([
      {
        destination: 'audit',
        eventId: event?.id ?? '',
        orderKey: 'kk/1',
        attempt: 1,
        at: NOW,
        outcome: 'delivered',
        statusCode: null,
        ms: 3,
        error: null,
        response: null,
        origin: 'live',
      },
    ])
    const { status, text, body } = await api.call('GET', `/v1/events/${event?.id}`)
    expect(status).toBe(200)
    expect(text).toContain(`{"event":${event?.body},`)
    expect(body.deliveries).toMatchObject([
      { destination: 'audit', eventId: event?.id, order: '1', status: 'delivered' },
    ])
  })

  test('an unknown one is 404', async () => {
    expect((await api.call('GET', '/v1/events/evt_0000000000000000000000')).status).toBe(404)
  })
})

describe('GET /v1/orders/{connection}/{orderId}', () => {
  test('shows the order as last seen, and its events', async () => {
    const { status, body } = await api.call('GET', '/v1/orders/shop/1')
    expect(status).toBe(200)
    expect(body.order).toMatchObject({
      connection: 'shop',
      vendor: 'shoplazza',
      orderId: '1',
      total: '20.00',
      status: 'placed',
    })
    expect(body.order.observedAt).toBe(new Date(NOW - 2 * HOUR).toISOString())
    expect(body.events.map(({ type }: { type: string }) => type)).toEqual(['order.paid', 'order.shipped'])
  })

  test('the order id may hold any characters', async () => {
    const { status, body } = await api.call('GET', `/v1/orders/shop/${encodeURIComponent(ODD)}`)
    expect(status).toBe(200)
    expect(body.order.orderId).toBe(ODD)
    expect(body.events).toHaveLength(2)
  })

  test('unknown orders and connections are 404, broken encoding is 400', async () => {
    expect((await api.call('GET', '/v1/orders/shop/2')).status).toBe(404)
    expect((await api.call('GET', '/v1/orders/nowhere/1')).status).toBe(404)
    expect((await api.call('GET', '/v1/orders/shop/%ff')).status).toBe(400)
    expect((await api.call('GET', '/v1/orders/shop/%00')).status).toBe(400)
  })
})
