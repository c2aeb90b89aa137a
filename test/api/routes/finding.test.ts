import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Harness, NOW, openHarness } from '../harness.ts'

let api: Harness
beforeEach(async () => {
  api = await openHarness()
})
afterEach(() => api.close())

const get = async (path: string) => (await api.call('GET', path)).body
const idsOf = (data: readonly { orderId: string }[]) => data.map(({ orderId }) => orderId)

async function giveUp(orderId: string, own: { hold?: boolean; lastError?: string } = {}): Promise<void> {
  const [event] = await api.seed('shop', orderId, { packages: [] })
  if (!event) throw new Error('the order proves nothing')
  await api.store.lanes.deadLetter({
    ...{ destination: 'audit', orderKey: event.orderKey, eventId: event.id, at: NOW, attempts: 2 },
    ...{ lastError: 'answered 500', hold: false, ...own },
  })
}

describe('orders', () => {
  test('are found by number, by id and by how either begins, page by page', async () => {
    await api.seed('shop', 'a-1', { orderNumber: '1005' })
    await api.seed('shop', 'a-2', { orderNumber: '10051' })
    await api.seed('kk', '1005x', { orderNumber: null })
    await api.seed('kk', 'b-1', { orderNumber: '2000' })
    const { data, next } = await get('/v1/orders?number=1005')
    expect(idsOf(data)).toEqual(['a-1', 'a-2', '1005x'])
    expect(next).toBeNull()
    expect(data[0]).toMatchObject({ connection: 'shop', vendor: 'shoplazza', orderNumber: '1005', total: '20.00' })
    expect(idsOf((await get('/v1/orders?number=b-')).data)).toEqual(['b-1'])
    expect(idsOf((await get('/v1/orders?number=1005&connection=kk')).data)).toEqual(['1005x'])
    expect(idsOf((await get('/v1/orders')).data)).toEqual(['1005x', 'a-1', 'a-2', 'b-1'])

    const pages: string[] = []
    for (let after: string | null = ''; after !== null; ) {
      const page = await get(`/v1/orders?number=1005&limit=1${after === '' ? '' : `&after=${after}`}`)
      pages.push(...idsOf(page.data))
      after = page.next
    }
    expect(pages).toEqual(['a-1', 'a-2', '1005x'])
  })

  test('are taken by their number where an id is taken; one number of two orders is refused with both ids', async () => {
    await api.seed('shop', 'a-1', { orderNumber: '1005' })
    await api.seed('kk', 'b-1', { orderNumber: '2000' })
    expect((await get('/v1/events?order=1005')).data[0].subject).toBe('a-1')
    expect((await get('/v1/orders/shop/1005')).order.orderId).toBe('a-1')
    expect((await get('/v1/events?order=nothing')).data).toEqual([])

    await api.seed('shop', 'a-2', { orderNumber: '1005' })
    const refused = await api.call('GET', '/v1/events?order=1005')
    expect(refused.status).toBe(400)
    expect(refused.body.detail).toContain('"shop/a-1", "shop/a-2"')
    expect((await api.call('GET', '/v1/orders/shop/1005')).status).toBe(409)
  })
})

describe('events', () => {
  test('are listed newest first with order=desc, and with direction=desc for one order', async () => {
    const events = await api.seed('shop', 'a-1')
    const ids = (data: readonly { id: string }[]) => data.map(({ id }) => id)
    const newest = events.map(({ id }) => id).toReversed()
    expect(ids((await get('/v1/events?order=desc')).data)).toEqual(newest)
    expect(ids((await get('/v1/events?order=a-1&direction=desc')).data)).toEqual(newest)
    const first = await get('/v1/events?order=desc&limit=1')
    expect(ids((await get(`/v1/events?order=desc&after=${first.next}`)).data)).toEqual(newest.slice(1))
  })
})

describe('deliveries', () => {
  test('are listed by order, by outcome and since a time, and say as what each attempt was made', async () => {
    await giveUp('a-1')
    const [event] = await api.seed('shop', 'a-2', { orderNumber: '77', packages: [] })
    if (!event) throw new Error('the order proves nothing')
    await api.store.deliveries.record([
      {
        ...{ destination: 'audit', eventId: event.id, orderKey: event.orderKey, attempt: 1, at: NOW, ms: 5 },
        ...{ outcome: 'delivered', statusCode: 200, error: null, response: null, origin: 'replay' },
      },
    ])
    const orders = async (query: string) =>
      (await get(`/v1/deliveries?${query}`)).data.map(({ order }: { order: string }) => order)
    expect(await orders('order=77')).toEqual(['a-2'])
    expect(await orders('order=a-1')).toEqual(['a-1'])
    expect(await orders('outcome=failed')).toEqual(['a-1'])
    expect(await orders('outcome=dead&status=dead')).toEqual(['a-1'])
    expect(await orders('outcome=delivered')).toEqual(['a-2'])
    expect(await orders('outcome=delivered&status=dead')).toEqual([])
    expect(await orders(`since=${new Date(NOW).toISOString()}`)).toHaveLength(2)
    expect(await orders(`since=${new Date(NOW + 1).toISOString()}`)).toEqual([])
    expect((await get('/v1/deliveries?order=a-2')).data[0].attempts).toMatchObject([{ origin: 'replay' }])
  })
})

describe('dead letters', () => {
  test('are discarded by a filter, with a reason; an order that one held goes on', async () => {
    await giveUp('a-1', { hold: true })
    await giveUp('a-2', { lastError: 'answered 400' })
    expect((await api.call('POST', '/v1/dead-letters/discard', { body: {} })).status).toBe(400)
    const body = { error: 'answered 500', reason: 'sent by hand' }
    expect((await api.call('POST', '/v1/dead-letters/discard', { body })).body).toEqual({ discarded: 1 })
    expect((await get('/v1/dead-letters')).data).toMatchObject([{ lastError: 'answered 400' }])
    expect(await api.store.lanes.counts()).toEqual(new Map())
    expect((await get('/v1/events?order=a-1')).data).toHaveLength(1)
  })

  test('are counted by a dry run of a redrive, which queues nothing', async () => {
    await giveUp('a-1')
    const path = '/v1/dead-letters/redrive'
    expect((await api.call('POST', `${path}?dryRun=true`)).body).toEqual({ matching: 1 })
    expect((await api.call('POST', path, { body: { dryRun: true, error: 'other' } })).body).toEqual({ matching: 0 })
    expect(await api.store.lanes.counts()).toEqual(new Map())
    expect((await api.call('POST', path, { body: { type: 'order.paid' } })).body).toEqual({ queued: 1 })
  })
})

describe('POST /v1/filters/preview', () => {
  test('says how many of the newest events match, with examples of both', async () => {
    await api.seed('shop', 'a-1')
    await api.seed('kk', 'b-1')
    const preview = async (body: unknown) => (await api.call('POST', '/v1/filters/preview', { body })).body
    expect(await preview({ types: ['order.paid'], connections: ['shop'] })).toMatchObject({
      ...{ matched: 1, of: 4 },
      examples: { matching: [{ type: 'order.paid', subject: 'a-1' }], other: [{}, {}, {}] },
    })
    expect(await preview({ filter: { 'data.connection': ['kk'] } })).toMatchObject({ matched: 2, of: 4 })
    expect(await preview({})).toMatchObject({ matched: 4, examples: { other: [] } })
    expect((await api.call('POST', '/v1/filters/preview', { body: { connections: ['nope'] } })).status).toBe(400)
  })
})

test('metrics tell the state of each destination, quarantine and the build', async () => {
  const { text } = await api.call('GET', '/metrics')
  expect(text).toContain('orderwire_destination_state{destination="audit",state="active"} 1')
  expect(text).toContain('orderwire_destination_state{destination="audit",state="open"} 0')
  expect(text).toContain('orderwire_quarantine{connection="shop"} 0')
  expect(text).toMatch(/orderwire_build_info\{version="0.0.0",node="\d+\.[\d.]+"\} 1/)
})
