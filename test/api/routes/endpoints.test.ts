import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { endpointRow } from '../../helpers/endpoint-row.ts'
import { type Harness, NOW, openHarness } from '../harness.ts'

let api: Harness
beforeEach(async () => {
  api = await openHarness()
})
afterEach(() => api.close())

const URL_ = 'https://hooks.example/in'
const declared = endpointRow({ url: URL_, declared: true, createdAt: NOW, updatedAt: NOW })

describe('POST /v1/endpoints', () => {
  test('makes an endpoint with an id and a secret of its own, shown this once', async () => {
    const { status, headers, body } = await api.call('POST', '/v1/endpoints', { body: { url: URL_ } })
    expect(status).toBe(201)
    expect(headers.get('location')).toBe(`/v1/endpoints/${body.id}`)
    expect(body).toEqual({
      id: expect.stringMatching(/^[a-z0-9]{12}$/),
      url: URL_,
      types: null,
      connections: null,
      filter: null,
      headerNames: [],
      delivery: null,
      description: null,
      state: 'active',
      stateReason: null,
      replaySince: null,
      declared: false,
      createdAt: new Date(NOW).toISOString(),
      updatedAt: new Date(NOW).toISOString(),
      secret: expect.stringMatching(/^whsec_/),
    })
    const { secret, ...shown } = body
    const { health, ...again } = (await api.call('GET', `/v1/endpoints/${body.id}`)).body
    expect(again).toEqual(shown)
    expect(health).toEqual({
      state: 'active',
      stateReason: null,
      restingUntil: null,
      lastError: null,
      failingSince: null,
      failuresInRow: 0,
      lastSuccessAt: null,
      nextAttemptAt: null,
      backlog: 0,
      oldestWaitingSeconds: null,
      deadLetters: 0,
      expiredDeadLetters: 0,
      successRate: null,
      latencyMs: { p50: null, p99: null },
    })
    const list = await api.call('GET', '/v1/endpoints')
    expect(list.body).toEqual({ data: [shown], next: null })
    expect(list.text).not.toContain(secret)
    expect((await api.store.endpoints.get(body.id))?.secret).toBe(`sealed:${btoa(secret)}`)
    expect(api.parts.asked).toEqual(['refresh'])
  })

  test('takes everything that can be given, and shows it as it was given', async () => {
    const given = {
      id: 'Billing.v2',
      url: URL_,
      types: ['order.paid', 'order.refunded'],
      connections: ['shop'],
      delivery: {
        timeout: '5s',
        retries: ['10s', '90s', '1500ms', '2h'],
        concurrency: 4,
        rateLimit: { perSecond: 2, burst: 9 },
        onExhausted: 'hold',
      },
      description: 'Books the payments',
    }
    const secret = `whsec_${'QUJD'.repeat(8)}`
    const { status, body } = await api.call('POST', '/v1/endpoints', { body: { ...given, secret } })
    expect(status).toBe(201)
    expect(body).toMatchObject({ ...given, secret })
    expect((await api.store.endpoints.get('Billing.v2'))?.delivery).toMatchObject({
      timeout: 5000,
      retries: [10_000, 90_000, 1500, 7_200_000],
    })
  })

  test('a taken id is 409, also that of a handler', async () => {
    await api.call('POST', '/v1/endpoints', { body: { id: 'a', url: URL_ } })
    expect((await api.call('POST', '/v1/endpoints', { body: { id: 'a', url: URL_ } })).status).toBe(409)
    expect((await api.call('POST', '/v1/endpoints', { body: { id: 'audit', url: URL_ } })).status).toBe(409)
  })

  test('queues the past first when asked to, and what happens meanwhile waits', async () => {
    await api.seed('shop', '1')
    const body = { id: 'late', url: URL_, types: ['order.paid'], replaySince: '2026-01-01T00:00:00Z' }
    const created = await api.call('POST', '/v1/endpoints', { body })
    expect(created).toMatchObject({ status: 201, body: { state: 'active', replaySince: '2026-01-01T00:00:00.000Z' } })
    expect((await api.call('GET', '/v1/endpoints/late')).body.replaySince).toBe('2026-01-01T00:00:00.000Z')
    const since = Date.parse('2026-01-01T00:00:00Z')
    expect(await api.store.replays.pending()).toMatchObject([
      { destination: 'late', filter: { since }, opening: true, through: null, queued: [] },
    ])
    expect(api.parts.asked).toEqual(['refresh'])
  })

  test('where other processes deliver, asks for what happens until they know of it, and shows nothing of that', async () => {
    const cluster = await openHarness({ shared: true, dispatch: null })
    const events = await cluster.seed('shop', '1')
    const created = await cluster.call('POST', '/v1/endpoints', { body: { id: 'new', url: URL_ } })
    expect(created).toMatchObject({ status: 201, body: { replaySince: null } })
    expect((await cluster.call('GET', '/v1/endpoints/new')).body.replaySince).toBeNull()
    expect(await cluster.store.replays.pending()).toMatchObject([
      { destination: 'new', filter: { behind: events.length }, opening: true, through: null },
    ])
    await cluster.close()
  })

  test('keeps headers encrypted and shows their names only', async () => {
    const given = { id: 'h', url: URL_, headers: { 'X-Api-Key': 'open sesame', cookie: 'a=b' } }
    const created = await api.call('POST', '/v1/endpoints', { body: given })
    expect(created).toMatchObject({ status: 201, body: { headerNames: ['x-api-key', 'cookie'] } })
    expect(created.text).not.toContain('sesame')
    expect((await api.call('GET', '/v1/endpoints/h')).text).not.toContain('sesame')
    expect((await api.store.endpoints.get('h'))?.headers).toEqual({
      'x-api-key': `sealed:${btoa('open sesame')}`,
      cookie: `sealed:${btoa('a=b')}`,
    })
    const changed = await api.call('PATCH', '/v1/endpoints/h', { body: { headers: { 'x-other': '1' } } })
    expect(changed.body.headerNames).toEqual(['x-other'])
    const cleared = await api.call('PATCH', '/v1/endpoints/h', { body: { headers: null } })
    expect(cleared.body.headerNames).toEqual([])
  })

  test('takes a filter on members of events, shows it, changes it and clears it', async () => {
    const filter = {
      'data.order.currency': ['EUR', 'CHF'],
      'data.shipment.carrier': { exists: true },
      'data.payment.amount': { gte: '10.00', lte: '99' },
    }
    const created = await api.call('POST', '/v1/endpoints', { body: { id: 'f', url: URL_, filter } })
    expect(created).toMatchObject({ status: 201, body: { filter } })
    const other = { 'data.connection': ['shop'] }
    expect((await api.call('PATCH', '/v1/endpoints/f', { body: { filter: other } })).body.filter).toEqual(other)
    expect((await api.call('PATCH', '/v1/endpoints/f', { body: { filter: null } })).body.filter).toBeNull()
  })

  test('whose retries would outlast the history are refused when changed, too', async () => {
    await api.call('POST', '/v1/endpoints', { body: { id: 'r', url: URL_ } })
    const refused = await api.call('PATCH', '/v1/endpoints/r', { body: { delivery: { retries: ['91d'] } } })
    expect(refused.status).toBe(400)
    expect(refused.body.detail).toBe(
      'delivery.retries: expected pauses of together at most `retention.events` (90d), and these are 91d',
    )
    expect((await api.call('PATCH', '/v1/endpoints/r', { body: { delivery: { retries: ['90d'] } } })).status).toBe(200)
  })

  test.each([
    [{}, 'url'],
    [{ url: 'nope' }, 'url'],
    [{ url: 'ftp://hooks.example/' }, 'url'],
    [{ url: 'https://user:pw@hooks.example/' }, 'url'],
    [{ url: 'http://10.0.0.1/' }, 'url'],
    [{ url: 5 }, 'url'],
    [{ url: URL_, types: [] }, 'types'],
    [{ url: URL_, types: ['order.lost'] }, 'types.0'],
    [{ url: URL_, types: 'order.paid' }, 'types'],
    [{ url: URL_, connections: ['nowhere'] }, 'connections'],
    [{ url: URL_, id: 'a b' }, 'id'],
    [{ url: URL_, secret: 'short' }, 'secret'],
    [{ url: URL_, delivery: { timeout: 5 } }, 'delivery.timeout'],
    [{ url: URL_, delivery: { timeout: '5 seconds' } }, 'delivery.timeout'],
    [{ url: URL_, delivery: { retries: ['5s', 'x'] } }, 'delivery.retries.1'],
    [{ url: URL_, delivery: { retries: ['80d', '11d'] } }, 'delivery.retries'],
    [{ url: URL_, delivery: { rateLimit: { perSecond: 0 } } }, 'delivery.rateLimit.perSecond'],
    [{ url: URL_, delivery: { rateLimit: { perSecond: 2, burst: 0 } } }, 'delivery.rateLimit.burst'],
    [{ url: URL_, delivery: { rateLimit: { burst: 2 } } }, 'delivery.rateLimit.perSecond'],
    [{ url: URL_, delivery: { rateLimit: '0/s' } }, 'delivery.rateLimit'],
    [{ url: URL_, delivery: { rateLimit: 'fast' } }, 'delivery.rateLimit'],
    [{ url: URL_, delivery: { rateLimit: { perSecond: 2, burst: 1.5 } } }, 'delivery.rateLimit.burst'],
    [{ url: URL_, delivery: { timeout: '0s' } }, 'delivery.timeout'],
    [{ url: URL_, delivery: { speed: 1 } }, 'delivery.speed'],
    [{ url: URL_, state: 'paused' }, 'state'],
    [{ url: URL_, replaySince: 'yesterday' }, 'replaySince'],
    [{ url: URL_, filter: {} }, 'filter'],
    [{ url: URL_, filter: { 'data.order.curency': ['EUR'] } }, 'filter.data.order.curency'],
    [{ url: URL_, filter: { 'data.__proto__.x': ['EUR'] } }, 'filter.data.__proto__.x'],
    [{ url: URL_, filter: { 'data.order.currency': 'EUR' } }, 'filter.data.order.currency'],
    [{ url: URL_, filter: { 'data.order.currency': [] } }, 'filter.data.order.currency'],
    [{ url: URL_, filter: { 'data.order.currency': [{}] } }, 'filter.data.order.currency.0'],
    [{ url: URL_, filter: { 'data.payment.amount': { gte: 'much' } } }, 'filter.data.payment.amount.gte'],
    [
      { url: URL_, filter: { 'data.payment.amount': { gte: '1', matches: '.*' } } },
      'filter.data.payment.amount.matches',
    ],
    [{ url: URL_, headers: { Host: 'x' } }, 'headers.Host'],
    [{ url: URL_, headers: { 'content-type': 'x' } }, 'headers.content-type'],
    [{ url: URL_, headers: { 'webhook-id': 'x' } }, 'headers.webhook-id'],
    [{ url: URL_, headers: { 'orderwire-replay': 'x' } }, 'headers.orderwire-replay'],
    [{ url: URL_, headers: { 'transfer-encoding': 'x' } }, 'headers.transfer-encoding'],
    [{ url: URL_, headers: { 'x-a': 'b\r\nx-c: d' } }, 'headers.x-a'],
    [{ url: URL_, headers: { 'x a': 'b' } }, 'headers.x a'],
    [{ url: URL_, headers: { 'x-a': 'b', 'X-A': 'c' } }, 'headers.X-A'],
    [{ url: URL_, headers: { 'x-a': 'b'.repeat(5000) } }, 'headers'],
    [{ url: URL_, headers: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`x-${i}`, 'b'])) }, 'headers'],
  ])('refuses %j', async (body, path) => {
    const answer = await api.call('POST', '/v1/endpoints', { body })
    expect(answer.status).toBe(400)
    expect(answer.body.errors).toEqual([{ path, message: expect.any(String) }])
    expect(await api.store.endpoints.list()).toEqual([])
  })
})

describe('one endpoint', () => {
  beforeEach(async () => {
    await api.call('POST', '/v1/endpoints', {
      body: { id: 'a', url: URL_, types: ['order.paid'], delivery: { timeout: '5s' } },
    })
    await api.store.endpoints.insert(declared)
    api.parts.asked.length = 0
  })

  test('is changed member by member; null clears', async () => {
    const url = 'https://other.example/'
    const first = await api.call('PATCH', '/v1/endpoints/a', { body: { url, description: 'new' } })
    expect(first).toMatchObject({
      status: 200,
      body: { url, description: 'new', types: ['order.paid'], delivery: { timeout: '5s' } },
    })
    const second = await api.call('PATCH', '/v1/endpoints/a', {
      body: { types: null, delivery: null, connections: ['kk'] },
    })
    expect(second.body).toMatchObject({ url, types: null, delivery: null, connections: ['kk'] })
    expect((await api.call('GET', '/v1/endpoints/a')).body).toMatchObject(second.body)
    expect(api.parts.asked).toEqual(['refresh', 'refresh'])
  })

  test.each([
    { id: 'b' },
    { state: 'paused' },
    { secret: 'x' },
    { declared: true },
    { url: 'http://10.0.0.1/' },
    { connections: ['nowhere'] },
    { url: null },
  ])('refuses to change %j', async body => {
    expect((await api.call('PATCH', '/v1/endpoints/a', { body })).status).toBe(400)
  })

  test('is tested', async () => {
    expect(await api.call('POST', '/v1/endpoints/a/test')).toMatchObject({
      status: 200,
      body: { statusCode: 204, ms: 12, error: null },
    })
  })

  test('is removed', async () => {
    expect((await api.call('DELETE', '/v1/endpoints/a')).status).toBe(204)
    expect((await api.call('GET', '/v1/endpoints/a')).status).toBe(404)
    expect((await api.call('DELETE', '/v1/endpoints/a')).status).toBe(404)
    expect(api.parts.asked).toEqual(['refresh'])
  })

  test('a declared one can be paused, resumed, retried, tested and replayed to', async () => {
    for (const [action, status] of [
      ['pause', 200],
      ['resume', 200],
      ['retry', 202],
      ['replay', 202],
    ] as const)
      expect((await api.call('POST', `/v1/destinations/billing/${action}`)).status).toBe(status)
    expect((await api.call('POST', '/v1/endpoints/billing/test')).status).toBe(200)
  })

  test('a declared one cannot be changed, removed or given another secret', async () => {
    expect((await api.call('PATCH', '/v1/endpoints/billing', { body: { description: 'x' } })).status).toBe(409)
    expect((await api.call('DELETE', '/v1/endpoints/billing')).status).toBe(409)
    expect((await api.call('POST', '/v1/endpoints/billing/rotate-secret')).status).toBe(409)
  })

  test.each([
    'GET /',
    'PATCH /',
    'DELETE /',
    'POST /test',
    'POST /rotate-secret',
    'POST /pause',
    'POST /resume',
    'POST /disable',
    'POST /enable',
    'POST /replay',
  ])('an unknown one is 404: %s', async call => {
    const [method = '', action = ''] = call.split(' ')
    const body = method === 'PATCH' ? {} : undefined
    expect((await api.call(method, `/v1/endpoints/nowhere${action.replace(/\/$/, '')}`, { body })).status).toBe(404)
  })
})

describe('replays', () => {
  beforeEach(async () => {
    await api.call('POST', '/v1/endpoints', { body: { id: 'a', url: URL_ } })
    await api.seed('shop', '1')
    api.parts.asked.length = 0
  })

  test('queue what was asked for', async () => {
    const body = { since: '2026-01-01', until: '2026-12-31T00:00:00Z', types: ['order.paid'], order: '1' }
    const answer = await api.call('POST', '/v1/destinations/a/replay', { body })
    expect(answer).toMatchObject({ status: 202, body: { queued: 1 } })
    const filter = { types: ['order.paid'], orderId: '1', since: Date.parse(body.since), until: Date.parse(body.until) }
    expect(api.parts.asked).toEqual([`replay a ${JSON.stringify(filter)}`])
  })

  test('go to handlers as well, as destinations', async () => {
    expect(await api.call('POST', '/v1/destinations/audit/replay')).toMatchObject({ status: 202, body: { queued: 2 } })
    expect((await api.call('POST', '/v1/destinations/a/replay', { body: {} })).status).toBe(202)
    expect((await api.call('POST', '/v1/destinations/nowhere/replay')).status).toBe(404)
  })

  test('are refused with unknown or wrong members', async () => {
    for (const body of [{ type: 'order.paid' }, { types: 'order.paid' }, { since: 5 }, { order: '' }])
      expect((await api.call('POST', '/v1/destinations/a/replay', { body })).status).toBe(400)
  })

  test('are queued in the store where another process delivers, as far as the endpoint wants them', async () => {
    const face = await openHarness({ dispatch: null, handlers: ['audit'] })
    await face.seed('shop', '1')
    await face.call('POST', '/v1/endpoints', { body: { id: 'a', url: URL_, types: ['order.shipped'] } })
    expect(await face.call('POST', '/v1/destinations/a/replay')).toMatchObject({ status: 202, body: { queued: 1 } })
    expect(await face.store.replays.pending()).toMatchObject([
      { destination: 'a', filter: { types: ['order.shipped'] }, opening: false, through: 2 },
    ])
    const others = { types: ['order.paid'] }
    expect(await face.call('POST', '/v1/destinations/a/replay', { body: others })).toMatchObject({
      body: { queued: 0 },
    })
    await face.call('POST', '/v1/endpoints', { body: { id: 'late', url: URL_, replaySince: '2026-01-01' } })
    expect((await face.store.replays.pending())[1]).toMatchObject({ destination: 'late', opening: true })
    expect((await face.call('POST', '/v1/endpoints/late/test')).status).toBe(503)
    expect((await face.call('POST', '/v1/destinations/audit/replay')).status).toBe(503)
    await face.close()
  })
})

describe('POST /v1/events/{id}/resend', () => {
  test('queues exactly that event for one destination', async () => {
    const face = await openHarness({ dispatch: null })
    const [paid, shipped] = await face.seed('shop', '1')
    await face.call('POST', '/v1/endpoints', { body: { id: 'a', url: URL_, types: ['order.paid'] } })
    const resend = (id: string | undefined, body: unknown) => face.call('POST', `/v1/events/${id}/resend`, { body })
    expect(await resend(paid?.id, { destination: 'a' })).toMatchObject({ status: 202, body: { queued: 1 } })
    expect(await face.store.replays.pending()).toMatchObject([{ destination: 'a', filter: { eventId: paid?.id } }])
    expect((await resend(shipped?.id, { destination: 'a' })).body.errors).toEqual([
      { path: 'destination', message: expect.stringContaining('does not take this event') },
    ])
    expect((await resend(paid?.id, { destination: 'nowhere' })).status).toBe(400)
    expect((await resend(paid?.id, {})).status).toBe(400)
    expect((await resend('evt_none', { destination: 'a' })).status).toBe(404)
    await face.close()
  })
})
