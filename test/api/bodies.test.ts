import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { env, type Harness, openHarness } from './harness.ts'

let api: Harness
beforeAll(async () => {
  api = await openHarness()
})
afterAll(() => api.close())

const post = (body: string, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
  api.call('POST', '/v1/endpoints', { body, headers })

/** A body that comes in pieces, without an announced length. */
function chunked(path: string, chunks: number, headers: Record<string, string> = {}): Promise<Response> | Response {
  let left = chunks
  const body = new ReadableStream<Uint8Array>({
    pull: controller => (left-- > 0 ? controller.enqueue(new Uint8Array(65_536).fill(32)) : controller.close()),
  })
  const request = new Request(`http://localhost${path}`, {
    method: 'POST',
    body,
    duplex: 'half',
    headers: { 'content-type': 'application/json', ...headers },
  } as RequestInit)
  return api.app.fetch(request, env())
}

describe('bodies', () => {
  test.each(['{', 'nope', '"text"', '[]', '3', 'null', ''])('%s is 400', async body => {
    const { status, body: problem } = await post(body)
    expect(status).toBe(400)
    expect(problem.errors[0]).toEqual({ path: expect.any(String), message: expect.any(String) })
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
  ])('content-type %s is 415', async type => {
    expect((await post('{"url":"https://a.example/"}', { 'content-type': type })).status).toBe(415)
  })

  test('a compressed body is 415', async () => {
    expect((await post('{}', { 'content-type': 'application/json', 'content-encoding': 'gzip' })).status).toBe(415)
  })

  test('JSON with a charset or a suffix is taken', async () => {
    for (const type of ['application/json; charset=utf-8', 'Application/JSON', 'application/merge-patch+json'])
      expect((await post('{"url":"https://a.example/"}', { 'content-type': type })).status).toBe(201)
  })

  test('bytes that are not UTF-8 are 400', async () => {
    const request = new Request('http://localhost/v1/endpoints', {
      method: 'POST',
      body: new Uint8Array([0x22, 0xff, 0x22]),
      headers: { 'content-type': 'application/json' },
    })
    expect((await api.app.fetch(request, env())).status).toBe(400)
  })

  test('text a database cannot hold is 400', async () => {
    for (const description of ['a\\u0000b', 'a\\ud800b'])
      expect((await post(`{"url":"https://a.example/","description":"${description}"}`)).status).toBe(400)
  })

  test('deep nesting is 400, not a crash', async () => {
    const deep = `{"url":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
    expect((await post(deep)).status).toBe(400)
  })

  test('more than 1 MiB is 413, announced or in pieces', async () => {
    const large = `{"url":"${'a'.repeat(1024 * 1024)}"}`
    const announced = await post(large, { 'content-type': 'application/json', 'content-length': String(large.length) })
    expect([announced.status, announced.body.title]).toEqual([413, 'Payload Too Large'])
    expect((await chunked('/v1/endpoints', 17)).status).toBe(413)
    expect((await chunked('/hooks/shop', 17)).status).toBe(413)
    expect((await chunked('/v1/destinations/x/pause', 17)).status).toBe(413)
  })

  test('exactly 1 MiB is read', async () => {
    expect((await chunked('/hooks/shop', 16)).status).toBe(401)
  })
})
