import { createHmac } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Config } from '../../../schemas/config.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { type Harness, NOW, openHarness, WEBHOOK_SECRET } from '../harness.ts'

const SHOP = {
  id: 'shop',
  vendor: 'shoplazza' as const,
  baseUrl: 'https://shop.example/openapi/2022-01',
  accessToken: 'x',
}

let api: Harness
beforeEach(async () => {
  api = await openHarness()
})
afterEach(() => api.close())

const sign = (body: string, secret = WEBHOOK_SECRET) => createHmac('sha256', secret).update(body).digest('base64')

function send(body: string, headers: Record<string, string> = {}, path = '/hooks/shop', on = api) {
  const signed = {
    'content-type': 'application/json',
    'x-shoplazza-topic': 'orders/update',
    'x-shoplazza-hmac-sha256': sign(body),
  }
  return on.call('POST', path, { body, headers: { ...signed, ...headers }, from: '192.0.2.1' })
}

describe('POST /hooks/{connection}', () => {
  test.each([
    ['{"id":"288263-00421"}', '288263-00421'],
    ['{"id":1234}', '1234'],
    ['{"id":9007199254740993}', '9007199254740993'],
    ['{"order":{"id":"5"}}', '5'],
    ['{"data":{"order":{"id":"5"}}}', '5'],
    ['{"id":"refund-1","order_id":"5"}', '5'],
    ['{"id":"5","order":null}', '5'],
  ])('reads the order of %s again', async (body, orderId) => {
    expect((await send(body)).status).toBe(200)
    expect(api.parts.asked).toEqual([`refetch shop ${orderId}`])
    expect(await api.store.orderReads.upcoming('shop', 10)).toMatchObject([{ orderId, announced: true, seen: '' }])
  })

  test.each([
    ['none', ''],
    ["another secret's", sign('{"id":"5"}', 'other')],
    ["another body's", sign('{"id":"6"}')],
    ['one in hex', createHmac('sha256', WEBHOOK_SECRET).update('{"id":"5"}').digest('hex')],
  ])('with a bad signature (%s) is 401 and changes nothing', async (_, signature) => {
    const { status, headers } = await send('{"id":"5"}', { 'x-shoplazza-hmac-sha256': signature })
    expect(status).toBe(401)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(api.parts.asked).toEqual([])
    expect((await send('{"id":"5"}')).status).toBe(200)
    expect(api.parts.asked).toHaveLength(1)
  })

  test('while the secret is rotated, is taken with a signature by any secret of the list, and by no other', async () => {
    const rotating = await openHarness({
      config: Config.parse({ connections: [{ ...SHOP, webhookSecret: ['new', 'old'] }] }),
    })
    const statusOf = async (secret: string) =>
      (await send('{"id":"5"}', { 'x-shoplazza-hmac-sha256': sign('{"id":"5"}', secret) }, '/hooks/shop', rotating))
        .status
    expect([await statusOf('new'), await statusOf('old'), await statusOf('older'), await statusOf('')]).toEqual([
      200, 200, 401, 401,
    ])
    expect(rotating.parts.asked).toEqual(['refetch shop 5', 'refetch shop 5'])
    await rotating.close()
  })

  test.each(['nowhere', 'kk', 'tuya'])('is 404 for %s', async connection => {
    expect((await send('{"id":"5"}', {}, `/hooks/${connection}`)).status).toBe(404)
  })

  test('drops repeats of a delivery, but never another body', async () => {
    const once = { 'x-shoplazza-deduplication-id': 'd-1' }
    for (const body of ['{"id":"5"}', '{"id":"5"}', '{"id":"6"}']) expect((await send(body, once)).status).toBe(200)
    expect(api.parts.asked).toEqual(['refetch shop 5', 'refetch shop 6'])
    await send('{"id":"5"}', { 'x-shoplazza-deduplication-id': 'd-2' })
    expect(api.parts.asked).toHaveLength(3)
  })

  test.each([
    'not json',
    '',
    '[]',
    '{}',
    '{"id":null}',
    '{"id":""}',
    '{"id":{"a":1}}',
    '{"id":"a\\u0000b"}',
    'null',
    '{"id":1.5}',
  ])('answers 200 to %j, which names no order', async body => {
    expect((await send(body)).status).toBe(200)
    expect(api.parts.asked).toEqual([])
  })

  test('takes any content-type and query, as vendors do', async () => {
    expect((await send('{"id":"5"}', { 'content-type': 'text/plain' }, '/hooks/shop?x=1')).status).toBe(200)
  })

  test('leaves the order in the store where another process polls', async () => {
    const face = await openHarness({ ingest: null })
    expect((await send('{"id":"5"}', {}, '/hooks/shop', face)).status).toBe(200)
    expect(await face.store.orderReads.upcoming('shop', 10)).toMatchObject([{ orderId: '5', announced: true }])
    await face.close()
  })

  test('tells when the last one came, with at most one write a minute, and the last of a minute at its end', async () => {
    let passed = 0
    const timers: { at: number; run: () => void }[] = []
    const clock: Clock = {
      now: () => NOW + passed,
      monotonic: () => passed,
      sleep: async () => {},
      after: (ms, run) => {
        timers.push({ at: passed + ms, run })
        return () => {}
      },
    }
    const own = await openHarness({ clock })
    const heard: number[] = []
    const original = own.store.connections.heard
    Object.assign(own.store.connections, {
      heard: (id: string, at: number) => {
        heard.push(at - NOW)
        return original(id, at)
      },
    })
    for (const at of [0, 1_000, 30_000]) {
      passed = at
      await send(`{"id":"${at}"}`, {}, '/hooks/shop', own)
    }
    expect(heard).toEqual([0])
    for (const { at, run } of timers.splice(0)) {
      passed = at
      run()
    }
    expect([heard, timers]).toEqual([[0, 60_000], []])
    await send('{"id":"1"}', { 'x-shoplazza-hmac-sha256': 'forged' }, '/hooks/shop', own)
    expect(heard).toHaveLength(2)
    const answer = () => own.call('GET', '/v1/connections/shop')
    await vi.waitFor(async () =>
      expect((await answer()).body.webhooks).toEqual({
        lastReceivedAt: new Date(NOW + 60_000).toISOString(),
        silent: false,
      }),
    )
    await own.store.connections.found(own.lease, 'shop', 5, NOW + 60_000)
    passed += 15 * 60_000
    expect((await answer()).body.webhooks.silent).toBe(true)
    await own.close()
  })
})
