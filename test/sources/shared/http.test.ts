import { describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { createVendorHttp } from '../../../src/sources/shared/http.ts'
import { closeAfterTest, failure, loopback, live as options } from '../loopback.ts'

const vendor = (answer: Parameters<typeof loopback>[0]) => loopback(answer, { path: '/openapi/' })

const status = (code: number, headers: Record<string, string> = {}) =>
  vendor((_, response) => response.writeHead(code, headers).end('{"email":"a@example.test"}'))

describe('requests', () => {
  test('the path is appended to the base URL, and lists become repeated keys', async () => {
    const { http, requests } = await vendor((_, response) => response.end('{"ok":true}'))
    const answer = await http.get(
      '/v1/order/orders',
      options({ query: { ids: ['a', 'b&c'], page: 2, absent: null, at: '10:00' } }),
    )
    expect(answer.json()).toEqual({ ok: true })
    expect(requests.map(({ raw }) => raw)).toEqual(['/openapi/v1/order/orders?ids=a&ids=b%26c&page=2&at=10%3A00'])
  })

  test('a query given as a string is sent byte for byte', async () => {
    const { http, requests } = await vendor((_, response) => response.end('{}'))
    await http.get('/x', options({ query: 'a=1:2,3&b=%20' }))
    expect(requests.map(({ raw }) => raw)).toEqual(['/openapi/x?a=1:2,3&b=%20'])
  })

  test('an answer cut into pieces within a character is put together', async () => {
    const bytes = Buffer.from('{"name":"Größe 日本"}')
    const { http } = await vendor((_, response) => {
      response.write(bytes.subarray(0, 12))
      response.end(bytes.subarray(12))
    })
    expect((await http.get('/x', options())).json()).toEqual({ name: 'Größe 日本' })
  })

  test('case 9: a whole number beyond 2^53 keeps its digits, smaller ones stay numbers', async () => {
    const { http } = await vendor((_, response) =>
      response.end('{"id":9007199254740993,"n":[12, -12345678901234567890]}'),
    )
    expect((await http.get('/x', options())).json()).toEqual({
      id: '9007199254740993',
      n: [12, '-12345678901234567890'],
    })
  })

  test('an answer that is no JSON is a retry, and the message quotes nothing of it', async () => {
    const { http } = await vendor((_, response) => response.end('<html>a@example.test</html>'))
    const answer = await http.get('/x', options())
    const error = await failure(Promise.resolve().then(() => answer.json()))
    expect(error).toMatchObject({ code: 'vendor.not_json', intent: 'retry' })
    expect(error.cause).toBeUndefined()
    expect(error.message).not.toContain('example')
  })
})

describe('refusals', () => {
  test.each([
    [400, 'vendor.refused', 'retry'],
    [401, 'vendor.unauthorized', 'stop'],
    [403, 'vendor.unauthorized', 'stop'],
    [404, 'vendor.refused', 'retry'],
    [406, 'vendor.refused', 'retry'],
    [500, 'vendor.unavailable', 'retry'],
    [502, 'vendor.unavailable', 'retry'],
    [503, 'vendor.unavailable', 'retry'],
  ])('status %i is %s with intent %s, and the message holds no body, query or header', async (code, name, intent) => {
    const { http } = await status(code)
    const error = await failure(http.get('/v1/x', options({ query: { key: 'hidden' }, headers: { token: 'hidden' } })))
    expect(error).toMatchObject({ code: name, intent })
    expect(error.message).toContain(`GET /v1/x answered ${code}`)
    expect(error.message).not.toMatch(/hidden|example/)
  })

  test('a status that the caller accepts is an answer', async () => {
    const { http } = await status(406)
    expect(await http.get('/x', options({ accept: [404, 406] }))).toMatchObject({ status: 406 })
  })

  test('a redirect is not followed, and the message says so', async () => {
    const { http, requests } = await status(302, { location: '/openapi/elsewhere' })
    const error = await failure(http.get('/x', options()))
    expect(error).toMatchObject({ code: 'vendor.redirect', intent: 'retry' })
    expect(error.message).toContain('redirect')
    expect(requests.map(({ raw }) => raw)).toEqual(['/openapi/x'])
  })

  test('the label stands for a path that holds a secret', async () => {
    const { http } = await status(500)
    const error = await failure(http.get('/token/hidden', options({ label: '/token/…' })))
    expect(error.message).toContain('GET /token/…')
    expect(error.message).not.toContain('hidden')
  })

  test('an answer of more than 16 MiB asks for a narrower window', async () => {
    const piece = Buffer.alloc(1024 * 1024, ' ')
    const { http } = await vendor((_, response) => {
      const write = () => {
        while (response.writable && response.write(piece));
        response.once('drain', write)
      }
      write()
    })
    expect(await failure(http.get('/x', options()))).toMatchObject({ code: 'vendor.too_large', intent: 'narrow' })
  })

  test('a vendor that hangs up, or is not there, is a retry', async () => {
    const { http } = await vendor(request => request.socket.destroy())
    expect(await failure(http.get('/x', options()))).toMatchObject({ code: 'vendor.unreachable', intent: 'retry' })
    const nobody = createVendorHttp({
      connection: 'c',
      baseUrl: 'http://127.0.0.1:1',
      limit: { perSecond: 10, burst: 10 },
      clock: systemClock(),
    })
    closeAfterTest(() => nobody.close())
    const error = await failure(nobody.get('/x', options()))
    expect(error).toMatchObject({ code: 'vendor.unreachable', intent: 'retry' })
    expect(error.message).toContain('ECONNREFUSED')
  })

  test('an answer that breaks off is a retry', async () => {
    const { http } = await vendor((request, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('{"list":[', () => request.socket.destroy())
    })
    expect(await failure(http.get('/x', options()))).toMatchObject({ code: 'vendor.unreachable', intent: 'retry' })
  })

  test('a request can be called off while it waits for its answer', async () => {
    const stop = new AbortController()
    const { http } = await vendor(() => stop.abort())
    expect(await failure(http.get('/x', options({ signal: stop.signal })))).toMatchObject({
      code: 'vendor.aborted',
      intent: 'retry',
    })
  })
})

test('an answer that does not come in time is a retry', async () => {
  let timeUp = () => {}
  const clock: Clock = {
    ...systemClock(),
    after: (_, run) => {
      timeUp = run
      return () => {}
    },
  }
  const { http } = await loopback(() => timeUp(), { clock })
  expect(await failure(http.get('/x', options()))).toMatchObject({ code: 'vendor.timeout', intent: 'retry' })
})

describe("the vendor's clock", () => {
  test('is read from the Date of answers, refusals included', async () => {
    const ahead = new Date(Date.now() + 600_000).toUTCString()
    const { http } = await status(500, { date: ahead })
    expect(http.offsetKnown).toBe(false)
    await failure(http.get('/x', options()))
    expect(http.offsetKnown).toBe(true)
    expect(Math.abs(http.vendorNow() - Date.now() - 600_000)).toBeLessThan(5_000)
  })

  test('stays our own while no answer names one', async () => {
    const { http } = await vendor((_, response) => {
      response.sendDate = false
      response.end('{}')
    })
    await http.get('/x', options())
    expect(http.offsetKnown).toBe(false)
  })
})

describe('case 27: 429', () => {
  test('with Retry-After in seconds: the error names the rest', async () => {
    const { http } = await status(429, { 'retry-after': '40' })
    const error = await failure(http.get('/x', options()))
    expect(error).toMatchObject({ code: 'vendor.rate_limited', intent: 'retry' })
    expect(error.retryAfterMs).toBeGreaterThanOrEqual(40_000)
    expect(error.retryAfterMs).toBeLessThanOrEqual(44_000)
  })

  test("with Retry-After as a date: counted from the answer's own Date, not from our clock", async () => {
    const { http } = await status(429, {
      date: 'Mon, 02 Mar 2026 10:00:00 GMT',
      'retry-after': 'Mon, 02 Mar 2026 10:01:00 GMT',
    })
    const { retryAfterMs } = await failure(http.get('/x', options()))
    expect(retryAfterMs).toBeGreaterThanOrEqual(60_000)
    expect(retryAfterMs).toBeLessThanOrEqual(66_000)
  })

  test.each([
    '4',
    '4.0',
    'Mon, 02 Mar 2026 10:00:04 GMT',
    'Monday, 02-Mar-26 10:00:04 GMT',
    'Mon Mar  2 10:00:04 2026',
  ])('case 49: Retry-After %j from a vendor is a rest of 4 s and some jitter', async value => {
    const { http } = await status(429, { date: 'Mon, 02 Mar 2026 10:00:00 GMT', 'retry-after': value })
    const { retryAfterMs } = await failure(http.get('/x', options()))
    expect(retryAfterMs).toBeGreaterThanOrEqual(4_000)
    expect(retryAfterMs).toBeLessThanOrEqual(4_400)
  })

  test('with a very long Retry-After: an hour at most, and some jitter', async () => {
    const { http } = await status(429, { 'retry-after': '999999' })
    const { retryAfterMs } = await failure(http.get('/x', options()))
    expect(retryAfterMs).toBeGreaterThanOrEqual(3_600_000)
    expect(retryAfterMs).toBeLessThanOrEqual(3_630_000)
  })

  test('without Retry-After: a rest of some seconds', async () => {
    const { http } = await status(429)
    const { retryAfterMs } = await failure(http.get('/x', options()))
    expect(retryAfterMs).toBeGreaterThanOrEqual(2_000)
    expect(retryAfterMs).toBeLessThanOrEqual(2_250)
  })

  test('while a long rest lasts nothing is sent, and callers are told how long it still is', async () => {
    const { http, requests } = await status(429, { 'retry-after': '60' })
    await failure(http.get('/x', options()))
    const error = await failure(http.get('/x', options()))
    expect(error).toMatchObject({ code: 'vendor.rate_limited', intent: 'retry' })
    expect(error.retryAfterMs).toBeGreaterThan(50_000)
    expect(requests).toHaveLength(1)
  })

  test('503 with Retry-After rests as well', async () => {
    const { http, requests } = await status(503, { 'retry-after': '60' })
    expect(await failure(http.get('/x', options()))).toMatchObject({ code: 'vendor.unavailable', intent: 'retry' })
    await failure(http.get('/x', options()))
    expect(requests).toHaveLength(1)
  })
})
