import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { recordingLog } from '../../helpers/quiet.ts'
import { type Harness, NOW, openHarness } from '../harness.ts'

const ADMIN = 'an-artificial-key-of-32-characters'
const metrics = createMetrics()
const { log, lines } = recordingLog()
let api: Harness
beforeEach(async () => {
  metrics.registry.resetMetrics()
  lines.length = 0
  api = await openHarness({ apiKey: ADMIN, metrics, log })
})
afterEach(() => api.close())

const as = (key: string, from = '192.0.2.5') => ({ headers: { authorization: `Bearer ${key}` }, from })

async function made(role: 'read' | 'write' | 'admin', name = 'a report'): Promise<{ id: string; key: string }> {
  const { status, body } = await api.call('POST', '/v1/keys', { ...as(ADMIN), body: { name, role } })
  expect(status).toBe(201)
  return body
}

describe('/v1/keys', () => {
  test('makes a key that is shown once, and is random to at least 160 bits', async () => {
    const { body } = await api.call('POST', '/v1/keys', { ...as(ADMIN), body: { name: ' a report ', role: 'read' } })
    expect(body).toEqual({
      id: expect.any(String),
      name: 'a report',
      role: 'read',
      createdAt: new Date(NOW).toISOString(),
      lastUsedAt: null,
      key: expect.stringMatching(/^owk_[\w-]{32}$/),
    })
    expect((await made('read')).key).not.toBe(body.key)
    const list = await api.call('GET', '/v1/keys', as(ADMIN))
    expect(list.body.data).toHaveLength(2)
    expect(list.text).not.toContain('owk_')
    expect(list.text).not.toContain('digest')
  })

  test('keeps nothing of a key but its SHA-256', async () => {
    const { key } = await made('read')
    const [row] = await api.store.keys.list()
    expect(row?.digest).toMatch(/^[\w-]{43}$/)
    expect(JSON.stringify(row)).not.toContain(key.slice(4))
  })

  test('a removed key is refused at once', async () => {
    const { id, key } = await made('read')
    expect((await api.call('GET', '/v1/events', as(key))).status).toBe(200)
    expect((await api.call('DELETE', `/v1/keys/${id}`, as(ADMIN))).status).toBe(204)
    expect((await api.call('GET', '/v1/events', as(key))).status).toBe(401)
    expect((await api.call('DELETE', `/v1/keys/${id}`, as(ADMIN))).status).toBe(404)
  })

  test.each([
    [{ role: 'read' }, 'name'],
    [{ name: 'x' }, 'role'],
    [{ name: 'x', role: 'root' }, 'role'],
    [{ name: '  ', role: 'read' }, 'name'],
    [{ name: 'x\u001b[2J', role: 'read' }, 'name'],
    [{ name: 'x'.repeat(101), role: 'read' }, 'name'],
    [{ name: 'x', role: 'read', key: 'owk_mine' }, 'key'],
  ])('refuses %j', async (body, path) => {
    const answer = await api.call('POST', '/v1/keys', { ...as(ADMIN), body })
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path }] } })
  })

  test('says when a key was used, to a minute', async () => {
    const { key } = await made('write')
    await api.call('GET', '/v1/events', as(key))
    await expect
      .poll(async () => (await api.call('GET', '/v1/keys', as(ADMIN))).body.data[0].lastUsedAt)
      .toBe(new Date(NOW).toISOString())
  })

  test('writes down that a key was used once a minute, however often it is', async () => {
    const { key } = await made('read')
    const used: string[] = []
    const original = api.store.keys.used
    Object.assign(api.store.keys, {
      used: (id: string, at: number) => {
        used.push(id)
        return original(id, at)
      },
    })
    for (let call = 0; call < 20; call++) await api.call('GET', '/v1/events', as(key))
    expect(used).toHaveLength(1)
  })
})

describe('roles', () => {
  /** What each role may do at the least; `fit` is any status but 401 and 403. */
  const calls = [
    ['read', 'GET', '/v1/events'],
    ['read', 'GET', '/v1/endpoints'],
    ['read', 'GET', '/metrics'],
    ['read', 'GET', '/'],
    ['read', 'HEAD', '/v1/connections'],
    ['write', 'POST', '/v1/connections/kk/poll'],
    ['write', 'PUT', '/v1/connections/kk/orders/1'],
    ['write', 'PUT', '/v1/connections/kk/users/1'],
    ['write', 'POST', '/v1/dead-letters/redrive'],
    ['write', 'POST', '/v1/quarantine/q/retry'],
    ['write', 'POST', '/v1/destinations/e/replay'],
    ['write', 'POST', '/v1/destinations/e/pause'],
    ['write', 'POST', '/v1/destinations/e/resume'],
    ['write', 'POST', '/v1/endpoints/e/test'],
    ['write', 'POST', '/v1/destinations/audit/replay'],
    ['admin', 'POST', '/v1/endpoints'],
    ['admin', 'PATCH', '/v1/endpoints/e'],
    ['admin', 'DELETE', '/v1/endpoints/e'],
    ['admin', 'POST', '/v1/endpoints/e/rotate-secret'],
    ['admin', 'POST', '/v1/endpoints/e/link'],
    ['admin', 'GET', '/v1/keys'],
    ['admin', 'POST', '/v1/keys'],
    ['admin', 'DELETE', '/v1/keys/k'],
  ] as const
  const ranks = ['read', 'write', 'admin'] as const

  test('may do what they are for, and what the lesser ones may', async () => {
    const keys = { read: await made('read'), write: await made('write'), admin: await made('admin') }
    const seen: unknown[] = []
    for (const [needed, method, path] of calls)
      for (const role of ranks) {
        const { status } = await api.call(method, path, as(keys[role].key))
        if (status === 401) seen.push([role, method, path, status])
        if ((status === 403) !== ranks.indexOf(role) < ranks.indexOf(needed)) seen.push([role, method, path, status])
      }
    expect(seen).toEqual([])
  })

  test('a key without the right gets a problem that says what it would take', async () => {
    const { key } = await made('read')
    const { status, body, headers } = await api.call('POST', '/v1/dead-letters/redrive', as(key))
    expect(status).toBe(403)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(body).toMatchObject({ type: 'urn:orderwire:problem:role', detail: expect.stringContaining('"write"') })
  })

  test('every route names its role, and the document shows it', async () => {
    const { body } = await api.call('GET', '/openapi.json')
    const open: string[] = []
    for (const [path, item] of Object.entries<Record<string, { security: { key: string[] }[] }>>(body.paths))
      for (const [method, { security }] of Object.entries(item)) {
        const call = `${method.toUpperCase()} ${path}`
        if (security.length === 0) open.push(call)
        else expect([call, security[0]?.key]).toEqual([call, [expect.stringMatching(/^(read|write|admin)$/)]])
        const role = security[0]?.key[0]
        // A preview is a question that is too long for a query.
        if (role === 'read' && !path.endsWith('/preview')) expect(method, `${call} changes something`).toBe('get')
      }
    expect(open.sort()).toEqual([
      'GET /asyncapi.json',
      'GET /healthz',
      'GET /openapi.json',
      'GET /readyz',
      'GET /schemas/order-event-1.d.ts',
      'GET /schemas/order-event-1.json',
      'POST /hooks/{connection}',
    ])
  })

  test('every route but the open ones is closed without a key, also in the flesh', async () => {
    const { body } = await api.call('GET', '/openapi.json')
    const answered: string[] = []
    for (const [path, item] of Object.entries<Record<string, { security: unknown[] }>>(body.paths))
      for (const [method, { security }] of Object.entries(item)) {
        const { status } = await api.call(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x'))
        if (security.length > 0 && status !== 401) answered.push(`${method} ${path}: ${status}`)
      }
    expect(answered).toEqual([])
  })
})

describe('without ORDERWIRE_API_KEY', () => {
  test('this machine is answered until there is a key, and then asked for it', async () => {
    const keyless = await openHarness({ localKey: 'the-local-key' })
    const { body } = await keyless.call('POST', '/v1/keys', { body: { name: 'first', role: 'read' } })
    expect((await keyless.call('GET', '/v1/events')).status).toBe(401)
    expect((await keyless.call('GET', '/v1/events', as(body.key))).status).toBe(200)
    expect((await keyless.call('DELETE', `/v1/keys/${body.id}`, as('the-local-key'))).status).toBe(204)
    expect((await keyless.call('GET', '/v1/events')).status).toBe(200)
    await keyless.close()
  })

  test('commands in their own process may do everything, whatever keys there are', async () => {
    const command = await openHarness({ trusted: true })
    await command.call('POST', '/v1/keys', { body: { name: 'first', role: 'read' } })
    expect((await command.call('GET', '/v1/keys', { from: '' })).body.data).toHaveLength(1)
    await command.close()
  })
})

describe('refused keys', () => {
  test('are counted by reason', async () => {
    const { key } = await made('read')
    await api.call('GET', '/v1/events')
    for (let guess = 0; guess < 3; guess++) await api.call('GET', '/v1/events', as(`owk_${guess}`))
    await api.call('DELETE', '/v1/endpoints/x', as(key))
    const { text } = await api.call('GET', '/metrics', as(ADMIN))
    for (const line of ['reason="missing"} 1', 'reason="wrong"} 3', 'reason="role"} 1'])
      expect(text).toContain(`orderwire_auth_failures_total{${line}`)
  })

  test('are logged once a minute for each address, without what was sent', async () => {
    const refused = () => lines.filter(({ msg }) => msg.includes('refused for its key'))
    for (let guess = 0; guess < 50; guess++) await api.call('GET', '/v1/events', as(`owk_guess-${guess}`, '192.0.2.1'))
    await api.call('GET', '/v1/events', as('owk_guess', '192.0.2.2'))
    expect(refused().map(({ address, reason }) => [address, reason])).toEqual([
      ['192.0.2.1', 'wrong'],
      ['192.0.2.2', 'wrong'],
    ])
    expect(JSON.stringify(lines)).not.toContain('owk_')
  })

  test('of many addresses fill no log', async () => {
    for (let address = 0; address < 1_200; address++)
      await api.call('GET', '/v1/events', as('owk_guess', `2001:db8::${address.toString(16)}`))
    expect(lines.filter(({ msg }) => msg.includes('refused for its key')).length).toBeLessThanOrEqual(1_000)
  })

  test('say what a client should do', async () => {
    const missing = await api.call('GET', '/v1/events')
    expect([missing.status, missing.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    const wrong = await api.call('GET', '/v1/events', as('owk_x'))
    expect([wrong.status, wrong.headers.get('www-authenticate')]).toEqual([401, 'Bearer error="invalid_token"'])
  })
})

test('a key made or removed by another process is known here within the time of the cache', async () => {
  let now = 0
  const far = await openHarness()
  const near = await openHarness({
    apiKey: ADMIN,
    store: far.store,
    clock: { now: () => NOW, monotonic: () => now, sleep: async () => {}, after: () => () => {} },
  })
  expect((await near.call('GET', '/v1/events', as('owk_x'))).status).toBe(401)
  const { body } = await far.call('POST', '/v1/keys', { body: { name: 'x', role: 'read' } })
  now += 3_000
  expect((await near.call('GET', '/v1/events', as(body.key))).status).toBe(200)
  await far.store.keys.remove(body.id)
  now += 3_000
  expect((await near.call('GET', '/v1/events', as(body.key))).status).toBe(401)
  await near.close()
  await far.close()
})

test('while the store is away, the keys known last still open the metrics', async () => {
  const { key } = await made('read')
  expect((await api.call('GET', '/metrics', as(key))).status).toBe(200)
  Object.assign(api.store.keys, { list: () => Promise.reject(new Error('away')) })
  await made('read').catch(() => {})
  expect((await api.call('GET', '/metrics', as(key))).status).toBe(200)
  expect((await api.call('GET', '/metrics', as('owk_other'))).status).toBe(401)
})
