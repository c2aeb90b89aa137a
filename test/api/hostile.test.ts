import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Served, serveApi } from '../../src/api/serve.ts'
import { type Harness, openHarness } from './harness.ts'

/** What an attacker sends who has no key, byte for byte: nothing of it reaches what the key protects. */

const KEY = 'an-artificial-key-of-32-characters'
let api: Harness
let server: Served
beforeAll(async () => {
  api = await openHarness({ apiKey: KEY })
  await api.seed('shop', '1')
  server = await serveApi({
    fetch: api.app.fetch,
    host: '127.0.0.1',
    port: 0,
    patience: { headMs: 400, requestMs: 800, idleMs: 300, checkMs: 50 },
  })
})
afterAll(async () => {
  await server.close()
  await api.close()
})

/** What comes back for exactly these pieces, until the server closes the connection. */
async function raw(...pieces: string[]): Promise<string> {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  socket.setEncoding('latin1')
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  socket.on('error', () => {})
  for (const piece of pieces) socket.write(piece, 'latin1')
  await once(socket, 'close')
  return text
}

const statuses = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
const get = (target: string, ...headers: string[]) =>
  ['GET', 'HEAD', 'OPTIONS'].includes(target.split(' ')[0] ?? '')
    ? request(target, headers)
    : request(`GET ${target}`, headers)
const request = (line: string, headers: readonly string[]) =>
  [`${line} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers, '', ''].join('\r\n')

describe('without the key', () => {
  test.each([
    '/v1/events',
    '/v1//events',
    '//v1/events',
    '/v1/events/',
    '/v1/events//',
    '/V1/events',
    '/v1/EVENTS',
    '/v1/%65vents',
    '/%76%31/events',
    '/v1%2fevents',
    '/v1%2Fevents',
    '/v1/events%00',
    '/v1/events%20',
    '/v1/events;x=1',
    '/v1/events?x=/healthz',
    '/v1/events#/healthz',
    '/v1/./events',
    '/v1/../v1/events',
    '/healthz/../v1/events',
    '/healthz/%2e%2e/v1/events',
    '/schemas/../v1/events',
    '/schemas/%2e%2e/v1/events',
    '/hooks/../v1/events',
    '/hooks/%2e%2e/v1/events',
    '/hooks/..%2fv1%2fevents',
    '/hooks/shop/../../v1/events',
    '/openapi.json/../v1/events',
    '/metrics',
    '/metrics/',
    '/%6detrics',
    '/',
    '/v1/keys',
    'HEAD /v1/events',
    'HEAD /metrics',
    'OPTIONS /v1/events',
    'GET http://localhost/v1/events',
    'GET http://localhost/healthz/../v1/events',
  ])('%s tells nothing', async target => {
    const text = await raw(get(target))
    const [status = 0] = statuses(text)
    expect([400, 401, 403, 404, 405]).toContain(status)
    expect(text).not.toContain('evt_')
    expect(text).not.toContain('orderwire_polls')
    expect(text).not.toContain('"data":[')
  })

  test.each([
    ['X-HTTP-Method-Override', 'GET /v1/events', ['X-HTTP-Method-Override: DELETE']],
    ['X-Original-URL', 'GET /healthz', ['X-Original-URL: /v1/events', 'X-Rewrite-URL: /v1/events']],
    ['X-Forwarded-For', 'GET /v1/events', ['X-Forwarded-For: 127.0.0.1', 'Forwarded: for=127.0.0.1;host=localhost']],
    ['the key in the query', `GET /v1/events?key=${KEY}&access_token=${KEY}`, []],
    ['the key in a cookie', 'GET /v1/events', [`Cookie: authorization=Bearer ${KEY}; key=${KEY}`]],
    ['two authorizations', 'GET /v1/events', ['Authorization: Bearer x', `Authorization: Bearer ${KEY}`]],
    ['the key behind something', 'GET /v1/events', [`Authorization: Bearer x ${KEY}`]],
    ['the key and a list', 'GET /v1/events', [`Authorization: Bearer x, Bearer ${KEY}`]],
  ])('%s does not help', async (_, line, headers) => {
    const text = await raw(request(line, headers))
    expect(text).not.toContain('evt_')
    expect(text).not.toContain('orderwire_polls')
  })
})

describe('paths', () => {
  test.each([
    '/schemas/../../package.json',
    '/schemas/%2e%2e/%2e%2e/package.json',
    '/schemas/..%2f..%2fpackage.json',
    '/schemas/order-event-1.json/../../../package.json',
    '/schemas/....//package.json',
    '/schemas/%252e%252e/package.json',
    '/console/../src/http/console/page.ts',
    '/console.js',
    '/console/console.html',
    '/sign-in.html',
    '/package.json',
    '/.orderwire/secret.key',
    '/C:%5cwindows',
  ])('%s leads to no file', async target => {
    const text = await raw(get(target, `Authorization: Bearer ${KEY}`))
    expect(statuses(text)).toEqual([expect.toBeOneOf([400, 404])])
    expect(text).not.toContain('"dependencies"')
  })
})

describe('answers', () => {
  test.each([
    '/v1/connections/%0d%0aSet-Cookie:%20a=b/poll',
    '/v1/nothing%0d%0aX-Injected:%20yes',
    '/v1/events?after=%0d%0aX-Injected:%20yes',
    '/v1/endpoints/%0d%0aX-Injected:%20yes',
  ])('%s puts no header into its answer', async target => {
    const [head = ''] = (await raw(get(target, `Authorization: Bearer ${KEY}`))).split('\r\n\r\n')
    expect(head).not.toMatch(/^(x-injected|set-cookie)/im)
  })

  test('a line break within a header is refused before anything reads it', async () => {
    expect(statuses(await raw(get('/v1/events', 'X-A: b\rAuthorization: Bearer x')))[0]).toBe(400)
    expect(statuses(await raw(get('/healthz', 'X-A: b\0c')))[0]).toBe(400)
  })

  test('no cookie is ever set and no other site may read', async () => {
    const origin = 'Origin: https://evil.example'
    for (const [line, headers] of [
      ['GET /healthz', []],
      ['GET /', ['Accept: text/html']],
      ['GET /v1/events', [`Authorization: Bearer ${KEY}`]],
      ['GET /v1/events', [origin, `Authorization: Bearer ${KEY}`]],
      ['OPTIONS /v1/events', [origin, 'Access-Control-Request-Method: GET']],
      [
        'OPTIONS /v1/keys',
        [origin, 'Access-Control-Request-Method: POST', 'Access-Control-Request-Private-Network: true'],
      ],
      ['OPTIONS /hooks/shop', [origin, 'Access-Control-Request-Method: POST']],
    ] as const) {
      const [head = ''] = (await raw(request(line, headers))).split('\r\n\r\n')
      expect(head).not.toMatch(/^(set-cookie|access-control-)/im)
      expect(head).toMatch(/^x-content-type-options: nosniff/im)
      if (line.startsWith('OPTIONS')) expect(statuses(head)[0]).toBeGreaterThanOrEqual(400)
    }
  })
})

describe('connections', () => {
  test('headers that are too large are 431', async () => {
    expect(statuses(await raw(get('/healthz', `X-Large: ${'a'.repeat(20_000)}`)))).toEqual([431])
    const many = Array.from({ length: 1_000 }, (_, n) => `X-Header-${n}: ${'a'.repeat(20)}`)
    expect(statuses(await raw(get('/healthz', ...many)))).toEqual([431])
  })

  test.each([
    ['says nothing', []],
    ['never ends its headers', ['GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ']],
    ['never ends its body', ['POST /hooks/shop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"id":']],
    [
      'never ends its chunks',
      ['POST /hooks/shop HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n'],
    ],
  ])('one that %s is cut off', async (_, pieces) => {
    const text = await raw(...pieces)
    expect(text).not.toMatch(/^HTTP\/1\.1 2/)
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  })

  test('one that drips a header a time is cut off as well', async () => {
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    socket.resume()
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n')
    let drips = 0
    const drip = setInterval(() => socket.write(`X-${drips++}: a\r\n`), 20)
    // Not by `once`, which rejects where it is cut off with a reset.
    await new Promise(resolve => socket.once('close', resolve))
    clearInterval(drip)
    expect(drips).toBeGreaterThan(0)
  })

  test('requests in one go are each known by their own key', async () => {
    const one = (authorization: string) => `GET /v1/events HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\n`
    const last = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
    const key = `Authorization: Bearer ${KEY}\r\n`
    expect(statuses(await raw(one(key) + one('') + one(key) + one('') + last))).toEqual([200, 401, 200, 401, 200])
  })

  test('a body is never taken for the next request', async () => {
    const hidden = `GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${KEY}\r\n\r\n`
    const carry = (line: string) =>
      `${line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`
    const last = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
    for (const line of [
      'GET /v1/events',
      'POST /v1/endpoints',
      'DELETE /v1/endpoints/x',
      'POST /hooks/shop',
      'OPTIONS /x',
    ]) {
      const text = await raw(carry(line) + last)
      expect([line, text.includes('evt_')]).toEqual([line, false])
      expect([line, statuses(text).at(-1), statuses(text).length]).toEqual([line, 200, 2])
    }
  })

  test.each([
    ['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}{}{}'],
    ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a length that is none', 'Content-Length: +5\r\n\r\n12345'],
    ['an odd transfer encoding', 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
    ['a chunk size that is none', 'Transfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n'],
  ])('%s is refused, and the connection closed', async (_, rest) => {
    const text = await raw(`POST /hooks/shop HTTP/1.1\r\nHost: localhost\r\n${rest}`)
    expect(statuses(text)).toEqual([400])
  })
})
