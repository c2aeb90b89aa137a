import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Served, serveApi } from '../../src/api/serve.ts'
import { AppError } from '../../src/lib/errors.ts'
import { type Harness, openHarness } from './harness.ts'

let api: Harness
let server: Served
beforeEach(async () => {
  api = await openHarness()
  server = await serveApi({ fetch: api.app.fetch, host: '127.0.0.1', port: 0 })
})
afterEach(async () => {
  await server.close()
  await api.close()
})

/** What comes back for exactly these bytes, until the connection is closed. */
async function raw(bytes: string): Promise<string> {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  socket.setEncoding('latin1')
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  socket.on('error', () => {})
  socket.write(bytes, 'latin1')
  await once(socket, 'close')
  return text
}

describe('serveApi', () => {
  test('serves on the port it says', async () => {
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const response = await fetch(`${server.url}/v1/connections`)
    expect(response.status).toBe(200)
  })

  test('a port in use is an error that says what to do', async () => {
    const { port } = new URL(server.url)
    const second = serveApi({ fetch: api.app.fetch, host: '127.0.0.1', port: Number(port) })
    await expect(second).rejects.toThrow(AppError)
    await expect(second).rejects.toMatchObject({
      intent: 'fix',
      message: expect.stringContaining('set PORT to another'),
    })
  })

  test('an address of another machine is an error that says what to do', async () => {
    const elsewhere = serveApi({ fetch: api.app.fetch, host: '192.0.2.1', port: 0 })
    await expect(elsewhere).rejects.toMatchObject({ intent: 'fix', message: expect.stringContaining('set HOST') })
  })

  test('closing ends open streams and idle connections', async () => {
    const stream = await fetch(`${server.url}/v1/events/stream`)
    const reader = stream.body?.getReader()
    await reader?.read()
    await fetch(`${server.url}/healthz`)
    await server.close()
    expect(await reader?.read()).toMatchObject({ done: true })
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow()
  })

  test('closing ends a verification under way', async () => {
    await api.seed('shop', '1')
    const asked = Promise.withResolvers<void>()
    api.parts.read = () => {
      asked.resolve()
      return new Promise(() => {})
    }
    const answer = await fetch(`${server.url}/v1/verify?againstVendor=true`)
    const text = answer.text()
    await asked.promise
    await server.close()
    // Cut off after the grace, it would reject.
    expect(await text).not.toContain('"summary"')
  })

  test('closing waits for what is being answered', async () => {
    const polling = Promise.withResolvers<void>()
    const found = Promise.withResolvers<void>()
    api.parts.poll = async () => {
      polling.resolve()
      await found.promise
      return { orders: 1, events: [], quarantined: 0 }
    }
    const answer = fetch(`${server.url}/v1/connections/shop/poll`, { method: 'POST' })
    await polling.promise
    const closed = server.close()
    found.resolve()
    expect((await answer).status).toBe(200)
    await closed
  })

  test('closing cuts off what does not end in time', async () => {
    const polling = Promise.withResolvers<void>()
    api.parts.poll = (_, { signal }) => {
      polling.resolve()
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    }
    const impatient = await serveApi({ fetch: api.app.fetch, host: '127.0.0.1', port: 0, graceMs: 0 })
    const answer = fetch(`${impatient.url}/v1/connections/shop/poll`, { method: 'POST' })
    const failed = expect(answer).rejects.toThrow()
    await polling.promise
    await impatient.close()
    await failed
  })

  test.each([
    ['a target that is no path', 'OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
    ['a Host that is none', 'GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', 400],
    ['a foreign Host', 'GET /v1/connections HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n', 403],
    [
      'a foreign target',
      'GET http://evil.example/v1/connections HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
      403,
    ],
    ['an odd method', 'BREW /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
    ['TRACE', 'TRACE /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 405],
    ['a path with a backslash', 'GET /v1\\events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
    ['broken percent signs', 'GET /v1/events/%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
  ])('%s is answered, not crashed on', async (_, bytes, status) => {
    expect(await raw(bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  })

  test('an old client without a Host is answered', async () => {
    expect(await raw('GET /healthz HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('a large body in pieces is 413', async () => {
    const piece = `10000\r\n${'a'.repeat(65_536)}\r\n`
    const head =
      'POST /hooks/shop HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
    expect(await raw(`${head}${piece.repeat(17)}0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 413 /)
  })

  test('a reader that goes away ends its stream', async () => {
    const gone = new AbortController()
    const stream = await fetch(`${server.url}/v1/events/stream`, { signal: gone.signal })
    await stream.body?.getReader().read()
    gone.abort()
    // All 200 places are free again once the first one is.
    const open: AbortController[] = []
    for (let place = 0; place < 200; place++) {
      const one = new AbortController()
      open.push(one)
      await expect
        .poll(async () => (await fetch(`${server.url}/v1/events/stream`, { signal: one.signal })).status)
        .toBe(200)
    }
    for (const one of open) one.abort()
  })

  test('a taken port is not taken by a failed start', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    await expect(serveApi({ fetch: api.app.fetch, host: '127.0.0.1', port })).rejects.toThrow('in use')
    other.close()
    await once(other, 'close')
    const later = await serveApi({ fetch: api.app.fetch, host: '127.0.0.1', port })
    await later.close()
  })
})
