import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, openHarness } from '../harness.ts'

const KEY = 'an-artificial-key-of-32-characters'
let keyed: Harness
let keyless: Harness
beforeAll(async () => {
  keyed = await openHarness({ apiKey: KEY, localKey: 'the-local-key-of-this-process' })
  keyless = await openHarness()
})
afterAll(() => Promise.all([keyed.close(), keyless.close()]))

const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } })

describe('the key', () => {
  test('opens what is closed', async () => {
    expect((await keyed.call('GET', '/v1/events', bearer(KEY))).status).toBe(200)
    expect((await keyed.call('GET', '/v1/events', bearer('the-local-key-of-this-process'))).status).toBe(200)
  })

  test.each(['/v1/events', '/v1/endpoints', '/metrics', '/', '/v1/nothing'])('is needed for %s', async path => {
    const { status, headers, body } = await keyed.call('GET', path)
    expect(status).toBe(401)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(headers.get('www-authenticate')).toBe('Bearer')
    expect(body).toMatchObject({ status: 401, title: 'Unauthorized' })
  })

  test.each([
    ['another key', `Bearer ${KEY}x`],
    ['the key as basic', `Basic ${btoa(KEY)}`],
    ['nothing behind Bearer', 'Bearer '],
    ['a prefix of the key', `Bearer ${KEY.slice(0, -1)}`],
  ])('is not %s', async (_, authorization) => {
    expect((await keyed.call('GET', '/v1/events', { headers: { authorization } })).status).toBe(401)
  })

  test.each(['/healthz', '/readyz', '/openapi.json', '/asyncapi.json', '/schemas/order-event-1.json'])(
    'is not needed for %s',
    async path => {
      expect((await keyed.call('GET', path)).status).toBe(200)
    },
  )

  test('is not needed to hear that nothing is there, where things are open', async () => {
    expect((await keyed.call('GET', '/schemas/nope.json')).status).toBe(404)
    expect((await keyed.call('GET', '/hooks/shop')).status).toBe(405)
  })

  test('is not needed for webhooks: those carry a signature', async () => {
    expect((await keyed.call('POST', '/hooks/unknown', { body: {} })).status).toBe(404)
    expect((await keyed.call('POST', '/hooks/shop', { body: {} })).status).toBe(401)
  })

  test('a browser that opens the console without it is asked for it', async () => {
    const { status, headers, text } = await keyed.call('GET', '/', { headers: { accept: 'text/html,*/*' } })
    expect(status).toBe(401)
    expect(headers.get('content-type')).toMatch(/^text\/html/)
    expect(text).toContain('type="password"')
  })
})

describe('without a configured key', () => {
  test.each(['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1'])('a client at %s is answered', async from => {
    expect((await keyless.call('GET', '/v1/events', { from })).status).toBe(200)
  })

  test.each(['192.0.2.7', '10.0.0.3', '::ffff:192.0.2.7', '2001:db8::1', ''])(
    'a client at "%s" is refused, whatever its headers say',
    async from => {
      const headers = { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1', forwarded: 'for=127.0.0.1' }
      expect((await keyless.call('GET', '/v1/events', { from, headers })).status).toBe(401)
      expect((await keyless.call('GET', '/healthz', { from, headers })).status).toBe(200)
    },
  )

  test.each([
    ['Forwarded', 'for=192.0.2.7;host=localhost'],
    ['X-Forwarded-For', '127.0.0.1'],
    ['X-Forwarded-Host', 'localhost'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-Port', '443'],
    ['X-Real-IP', '127.0.0.1'],
    ['Via', '1.1 proxy'],
    ['True-Client-IP', '127.0.0.1'],
    ['CF-Connecting-IP', '127.0.0.1'],
    ['X-Forwarded-For', ''],
  ])(
    'a request on loopback with %s: %s came through a proxy, and is no client of this machine',
    async (name, value) => {
      const headers = { [name]: value }
      const refused = await keyless.call('GET', '/v1/events', { headers })
      expect(refused.status).toBe(401)
      expect(refused.body.detail).toContain('proxy')
      expect((await keyless.call('POST', '/v1/dead-letters/redrive', { headers })).status).toBe(401)
      expect((await keyless.call('GET', '/healthz', { headers })).status).toBe(200)
      const { authorization } = bearer(KEY).headers
      expect((await keyed.call('GET', '/v1/events', { headers: { ...headers, authorization } })).status).toBe(200)
    },
  )
})

describe('Host and Origin', () => {
  test.each([
    'localhost',
    'localhost:8080',
    'LOCALHOST',
    '127.0.0.1:8080',
    '[::1]:8080',
    '192.0.2.1',
    'orders.example.com',
    'orders.example.com:443',
    'intranet.example:8080',
  ])('the Host %s is ours', async host => {
    expect((await keyless.call('GET', '/v1/events', { headers: { host } })).status).toBe(200)
  })

  test.each([
    'evil.example',
    'localhost.evil.example',
    'evil.example:8080',
    'orders.example.com.evil.example',
    'a b',
    'x@localhost',
  ])('the Host %s is foreign', async host => {
    const { status, body } = await keyless.call('GET', '/v1/events', { headers: { host } })
    expect(status).toBe(403)
    expect(body.type).toContain('foreign')
  })

  test.each(['/healthz', '/readyz'])('%s answers under any Host: probes use the name of a service', async path => {
    for (const host of ['orderwire', 'orderwire.default.svc:8080', 'evil.example'])
      expect((await keyless.call('GET', path, { headers: { host }, from: '192.0.2.7' })).status).toBe(200)
  })

  test.each([
    'http://localhost:8080',
    'http://127.0.0.1:8080',
    'https://orders.example.com',
    'http://[::1]',
    'http://intranet.example:8080',
  ])('the Origin %s is ours', async origin => {
    expect((await keyless.call('POST', '/v1/dead-letters/redrive', { headers: { origin } })).status).toBe(202)
  })

  test.each([
    'https://evil.example',
    'null',
    'https://orders.example.com.evil.example',
    'http://orders.example.com',
    'https://orders.example.com:8443',
    'http://intranet.example',
    'https://intranet.example:8080',
    'file://',
    'chrome-extension://abc',
    'https://localhost.evil',
  ])('the Origin %s is foreign', async origin => {
    expect((await keyless.call('POST', '/v1/dead-letters/redrive', { headers: { origin } })).status).toBe(403)
    expect((await keyless.call('GET', '/v1/events', { headers: { origin } })).status).toBe(403)
  })

  test('a fetch from another site is refused, a link to the console is not', async () => {
    const crossSite = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }
    expect((await keyless.call('POST', '/v1/connections/kk/poll', { headers: crossSite })).status).toBe(403)
    const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }
    expect((await keyless.call('GET', '/', { headers: link })).status).toBe(200)
    expect((await keyless.call('POST', '/v1/connections/kk/poll', { headers: link })).status).toBe(403)
  })

  test('webhooks may come under any name', async () => {
    const headers = { host: 'hooks.example.net', origin: 'https://evil.example' }
    expect((await keyless.call('POST', '/hooks/unknown', { headers, body: {}, from: '192.0.2.9' })).status).toBe(404)
  })
})

describe('answers', () => {
  test('the console cannot be framed, and runs nothing but its own scripts', async () => {
    const { headers } = await keyless.call('GET', '/')
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).not.toMatch(/unsafe|https?:|\*/)
    expect(headers.get('x-frame-options')).toBe('DENY')
  })

  test('every answer forbids sniffing, framing and reading by other sites', async () => {
    for (const path of ['/healthz', '/v1/events', '/nothing', '/v1/events?limit=0']) {
      const { headers } = await keyless.call('GET', path)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
      expect(headers.has('access-control-allow-origin')).toBe(false)
    }
  })

  test('unknown paths and methods are problems', async () => {
    expect(await keyless.call('GET', '/v1/nothing')).toMatchObject({
      status: 404,
      body: { status: 404, title: 'Not Found' },
    })
    const wrong = await keyless.call('DELETE', '/v1/events')
    expect(wrong).toMatchObject({ status: 405, body: { status: 405 } })
    expect(wrong.headers.get('allow')).toBe('GET, HEAD')
    expect((await keyless.call('PUT', '/v1/endpoints/a')).headers.get('allow')).toBe('GET, HEAD, PATCH, DELETE')
  })
})
