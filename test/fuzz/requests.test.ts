import { createHmac } from 'node:crypto'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { type Served, serveApi } from '../../src/http/serve.ts'
import { generatedFiles } from '../../src/http/spec.ts'
import { createRefetcher } from '../../src/ingest/refetch.ts'
import { env, type Harness, openHarness, WEBHOOK_SECRET } from '../http/harness.ts'
import { anything } from './mutations.ts'
import { PATIENCE, runs, SEED } from './settings.ts'
import { object, textOf } from './tree.ts'

/** What comes in by HTTP, byte for byte, from anybody: an answer that is no 500, or a connection that is closed; and the next one is answered. */

let api: Harness
let server: Served
let port = 0
beforeAll(async () => {
  api = await openHarness()
  await api.seed('shop', '1')
  server = await serveApi({
    fetch: api.app.fetch,
    host: '127.0.0.1',
    port: 0,
    patience: { headMs: 2_000, requestMs: 2_000, idleMs: 200, checkMs: 50 },
  })
  port = Number(new URL(server.url).port)
})
afterAll(async () => {
  await server.close()
  await api.close()
})

interface Reply {
  readonly text: string
  /** Bytes of ours that the other side took. */
  readonly sent: number
}

/** What comes back until the connection is closed, which must be soon. An event stream is left when it has begun. */
function raw(
  bytes: string | Buffer,
  { more, stays = false }: { more?: { piece: string; pieces: number }; stays?: boolean } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    const deadline = setTimeout(() => {
      socket.destroy()
      reject(
        new Error(
          `no end of the connection after ${JSON.stringify(String(bytes).slice(0, 500))}; so far ${text.slice(0, 500)}`,
        ),
      )
    }, 8_000)
    socket.setEncoding('latin1')
    socket.on('data', chunk => {
      text += chunk
      if (/content-type: text\/event-stream/i.test(text) && text.includes(': listening')) socket.destroy()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(deadline)
      resolve({ text, sent: socket.bytesWritten })
    })
    socket.write(bytes)
    let left = more?.pieces ?? 0
    const pourOn = () => {
      while (more && left > 0 && !socket.destroyed && !/^HTTP/.test(text)) {
        left--
        if (!socket.write(more.piece)) return void socket.once('drain', pourOn)
      }
      // Half closed: no more is to come.
      if (!stays && !more) socket.end()
    }
    pourOn()
  })
}

const statusesOf = ({ text }: Reply): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))

async function expectAlive(): Promise<void> {
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
}

/** No answer is a 500; a request that is whole has one. */
function expectNoFailure(reply: Reply): void {
  for (const status of statusesOf(reply))
    if (status >= 500) expect(reply.text.slice(0, 600)).toBe('no answer of 500 or more')
}

const paths: Record<string, Record<string, unknown>> = JSON.parse(generatedFiles()['openapi.json'] ?? '').paths
const operations = Object.entries(paths).flatMap(([path, item]) =>
  Object.keys(item).map(method => [method.toUpperCase(), path] as const),
)

const oneOf = (...values: readonly string[]) => fc.constantFrom(...values)
const odd = fc.string({ unit: 'binary-ascii', maxLength: 12 })
const segment = fc.oneof(
  oneOf(
    'a',
    'shop',
    'kk',
    'tuya',
    '1',
    '..',
    '.',
    '...',
    '%2e%2e',
    '%2E%2E%2f',
    '..%5c',
    '%00',
    '%',
    '%zz',
    '%c0%ae',
    '%ff%fe',
    '%ed%a0%80',
    '%252e',
    '%25',
    'a%2fb',
    'a;b',
    'a?b',
    'a#b',
    '\\',
    '//',
    '',
    '%20',
    '+',
    '%0d%0aX: y',
    '~',
    '*',
    'a'.repeat(4_000),
    '%f0%9f%98%80',
    '__proto__',
    'constructor',
    'redrive',
    'stream',
  ),
  odd.map(text => encodeURIComponent(text)),
  odd.map(text => text.replace(/[\s\0]/g, '')),
)
const filled = (path: string) =>
  fc.tuple(segment, segment).map(values => {
    let n = 0
    return path.replace(/\{\w+\}/g, () => values[n++] ?? 'x')
  })
const query = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  {
    weight: 1,
    arbitrary: oneOf(
      '?',
      '?&&&',
      '?=',
      '?__proto__=1',
      '?limit=1&limit=2',
      `?${'a=1&'.repeat(2_000)}`,
      `?type=${'x,'.repeat(4_000)}`,
      '?limit=%00',
      '?after=%ff',
      `?after=${'A'.repeat(9_000)}`,
      '?since=275760-09-13',
      '?since=-000001-01-01T00:00:00Z',
      '?lastEventId=%0d%0a',
      '?limit=1e1',
      '?order=..&user=..',
      '?constructor=1',
      '?limit[]=1',
    ),
  },
  { weight: 1, arbitrary: odd.map(text => `?${text.replace(/[\s\0#]/g, '')}`) },
)
const target = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .constantFrom(...operations)
      .chain(([method, path]) => fc.tuple(fc.constant(method), filled(path), query)),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(
      oneOf(
        'GET',
        'HEAD',
        'OPTIONS',
        'TRACE',
        'CONNECT',
        'PRI',
        'M-SEARCH',
        'PROPFIND',
        'get',
        'DELETE',
        'PATCH',
        'PUT',
        'POST',
      ),
      fc.constantFrom(...Object.keys(paths)).chain(filled),
      query,
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      oneOf('GET', 'POST', 'CONNECT', 'OPTIONS'),
      oneOf(
        '*',
        'localhost:443',
        'http://localhost/v1/events',
        'http://user:pw@localhost/',
        'https://localhost',
        'file:///etc/passwd',
        '//',
        '/\\',
        '///v1/events',
        'javascript:1',
      ),
      query,
    ),
  },
)
const header = fc.oneof(
  oneOf(
    'Content-Type: application/json',
    'Content-Type: application/json',
    'Content-Type: multipart/form-data; boundary=x',
    'Content-Type: application/json; charset=utf-16',
    `Content-Type: ${'a'.repeat(3_000)}`,
    'Content-Encoding: gzip',
    'Content-Encoding: identity',
    'Expect: 100-continue',
    'Expect: nonsense',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQAAP__',
    'Connection: keep-alive',
    'Connection: close, keep-alive',
    'X-HTTP-Method-Override: DELETE',
    'X-Method-Override: PUT',
    'Range: bytes=0-',
    'If-None-Match: *',
    'If-Modified-Since: x',
    'Accept-Encoding: gzip',
    'TE: trailers',
    'Trailer: x',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: identity',
    'Transfer-Encoding: gzip, chunked',
    'Content-Length: 0',
    'Content-Length: 5',
    'Content-Length: 99999999999999999999',
    'Last-Event-ID: evt_1',
    'Last-Event-ID: ',
    'Last-Event-ID: \u00ff\u00fe',
    `Last-Event-ID: ${'x'.repeat(5_000)}`,
    'Origin: null',
    'Origin: http://localhost',
    'Origin: http://[::1',
    'Host: [::1]',
    'Host: ',
    'Host: a:b:c',
    'Host: localhost:99999',
    'Sec-Fetch-Site: cross-site',
    'Authorization: Bearer ',
    'Authorization: Basic eA==',
    'Authorization: \u00ff',
    'Cookie: __proto__=1',
    '__proto__: x',
    'constructor: x',
    ': x',
    ' folded: x',
    'no colon',
    'x: a\rb',
    'x:\u0000',
    'X-Shoplazza-Hmac-Sha256: x',
    'X-Shoplazza-Deduplication-ID: ',
    'X-Shoplazza-Topic: \u00ff',
  ),
  odd.map(text => `X-A: ${text.replace(/[\r\n\0]/g, '')}`),
)
const NAMES = [
  'id',
  'url',
  'types',
  'connections',
  'secret',
  'delivery',
  'filter',
  'headers',
  'description',
  'replaySince',
  'userId',
  'since',
  'until',
  'type',
  'order',
  'destination',
  'name',
  'role',
  '__proto__',
  'constructor',
]
const body = fc.oneof(
  { weight: 2, arbitrary: fc.constant('') },
  {
    weight: 5,
    arbitrary: fc.dictionary(oneOf(...NAMES), anything, { maxKeys: 3 }).map(members => textOf(object(members))),
  },
  { weight: 1, arbitrary: anything.map(textOf) },
  { weight: 1, arbitrary: odd },
)
/** How the body is sent: as long as it is, in chunks, or as something else than it is said to be. */
const framing = oneOf('length', 'length', 'length', 'chunks', 'short', 'long', 'none', 'bad chunks')

function framed(how: string, text: string): readonly [headers: string, body: string] {
  const size = Buffer.byteLength(text)
  switch (how) {
    case 'length':
      return size === 0 ? ['', ''] : [`Content-Length: ${size}\r\n`, text]
    case 'chunks':
      return ['Transfer-Encoding: chunked\r\n', `${size === 0 ? '' : `${size.toString(16)}\r\n${text}\r\n`}0\r\n\r\n`]
    case 'short':
      return [`Content-Length: ${Math.floor(size / 2)}\r\n`, text]
    case 'long':
      return [`Content-Length: ${size + 10}\r\n`, text]
    case 'bad chunks':
      return ['Transfer-Encoding: chunked\r\n', `${(size + 1).toString(16)};x="\r\n${text}`]
    default:
      return ['', text]
  }
}

const request = fc
  .tuple(
    target,
    fc.array(header, { maxLength: 3 }),
    body,
    framing,
    oneOf('1.1', '1.1', '1.1', '1.0', '2.0', '0.9', '1.', ''),
  )
  .map(([[method, path, search], headers, text, how, version]) => {
    const [length, sent] = framed(how, text)
    const host = headers.some(line => /^host:/i.test(line)) ? '' : 'Host: localhost\r\n'
    return (
      Buffer.from(
        `${method} ${path}${search} HTTP/${version}\r\n${host}${headers.map(line => `${line}\r\n`).join('')}${length}\r\n`,
        'latin1',
      ).toString('latin1') + Buffer.from(sent, 'utf8').toString('latin1')
    )
  })

describe(`whatever is asked (seed ${SEED})`, () => {
  test(
    'is answered, without a 500, or hung up on; and the server goes on',
    async () => {
      await fc.assert(
        fc.asyncProperty(request, async bytes => expectNoFailure(await raw(Buffer.from(bytes, 'latin1')))),
        runs(300),
      )
      await expectAlive()
    },
    PATIENCE,
  )

  test(
    'several in one go are each answered in turn, or the connection is closed',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(request, { minLength: 2, maxLength: 5 }), async several =>
          expectNoFailure(await raw(Buffer.from(several.join(''), 'latin1'))),
        ),
        runs(40),
      )
      await expectAlive()
    },
    PATIENCE,
  )

  test(
    'cut at any byte is no request, and is hung up on',
    async () => {
      await fc.assert(
        fc.asyncProperty(request, fc.double({ min: 0, max: 1, noNaN: true }), async (bytes, part) =>
          expectNoFailure(await raw(Buffer.from(bytes.slice(0, Math.floor(bytes.length * part)), 'latin1'))),
        ),
        runs(60),
      )
      await expectAlive()
    },
    PATIENCE,
  )

  test(
    'with bytes of any kind',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async bytes =>
          expectNoFailure(await raw(Buffer.from(bytes))),
        ),
        runs(40),
      )
      await expectAlive()
    },
    PATIENCE,
  )
})

const bodies = operations.filter(([method]) => ['POST', 'PUT', 'PATCH'].includes(method))
const pathOf = (path: string) => path.replace('{connection}', 'shop').replaceAll(/\{\w+\}/g, 'x')

describe('a body', () => {
  test.each(bodies)('to %s %s in chunks without end is refused at 1 MiB', async (method, path) => {
    const started = `${method} ${pathOf(path)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`
    const reply = await raw(started, { more: { piece: `10000\r\n${' '.repeat(65_536)}\r\n`, pieces: 2_000 } })
    expect(statusesOf(reply)).toEqual([413])
    expect(reply.sent).toBeLessThan(40 * 1_048_576)
  })

  test.each(bodies)(
    'to %s %s that is said to be larger than 1 MiB is refused before it comes',
    async (method, path) => {
      const reply = await raw(
        `${method} ${pathOf(path)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n`,
        { stays: true },
      )
      expect(statusesOf(reply)).toEqual([413])
    },
  )

  test('of very many chunks of one byte is read as what it is', async () => {
    const reply = await raw(
      `POST /hooks/shop HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\n \r\n'.repeat(30_000)}0\r\n\r\n`,
    )
    expect(statusesOf(reply)).toEqual([401])
  })

  test('is copied piece by piece, and no piece is kept', async () => {
    const piece = new Uint8Array(1)
    const text = JSON.stringify({ url: 'https://pieces.example/', description: 'in one piece' })
    let at = 0
    const stream = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (at === text.length) return controller.close()
          // The same bytes each time, with something else in them.
          piece[0] = text.charCodeAt(at++)
          controller.enqueue(piece)
        },
      },
      { highWaterMark: 0 },
    )
    const init = { method: 'POST', body: stream, duplex: 'half', headers: { 'content-type': 'application/json' } }
    const asked = new Request('http://localhost/v1/endpoints', init as RequestInit)
    const answer = await api.app.fetch(asked, env())
    expect(await answer.json()).toMatchObject({ description: 'in one piece' })
  })

  test('that comes slower than anybody sends it is cut off', async () => {
    const reply = await raw('POST /hooks/shop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{', {
      stays: true,
    })
    expect([[], [408], [400]]).toContainEqual(statusesOf(reply))
    await expectAlive()
  })

  test('that is wrong in very many places is answered with the first of them', async () => {
    const text = `{${Array.from({ length: 60_000 }, (_, n) => `"x${n}":1`).join(',')}}`
    const { status, text: answer } = await api.call('POST', '/v1/endpoints', { body: text })
    expect(status).toBe(400)
    expect(answer.length).toBeLessThan(20_000)
  })
})

const SHOP = '/hooks/shop'
const signatureOf = (bytes: Buffer): string => createHmac('sha256', WEBHOOK_SECRET).update(bytes).digest('base64')

describe(`an inbound webhook (seed ${SEED})`, () => {
  const order = fc
    .tuple(fc.constantFrom('id', 'order_id', 'order', 'data', '__proto__'), anything)
    .map(([name, value]) => object({ [name]: name === 'order' || name === 'data' ? object({ id: value }) : value }))
  const payload = fc.oneof(
    order.map(tree => Buffer.from(textOf(tree))),
    anything.map(tree => Buffer.from(textOf(tree))),
    fc.uint8Array({ maxLength: 60 }).map(bytes => Buffer.from(bytes)),
  )
  const wrong = fc.oneof(
    oneOf('', 'x', 'null', '\u00ff', 'A'.repeat(44), 'a'.repeat(8_000), '='),
    odd.map(text => text.replace(/[\r\n\0]/g, '')),
  )

  test(
    'that is signed is taken whatever it holds, and asks for no order that is none',
    async () => {
      await fc.assert(
        fc.asyncProperty(payload, fc.option(odd.map(text => text.replace(/[\r\n\0]/g, ''))), async (bytes, id) => {
          api.parts.asked.length = 0
          const dedupe = id === null ? '' : `X-Shoplazza-Deduplication-ID: ${id}\r\n`
          const reply = await raw(
            Buffer.concat([
              Buffer.from(
                `POST ${SHOP} HTTP/1.1\r\nHost: hooks.example\r\nConnection: close\r\nX-Shoplazza-Hmac-Sha256: ${signatureOf(bytes)}\r\n${dedupe}Content-Length: ${bytes.length}\r\n\r\n`,
                'latin1',
              ),
              bytes,
            ]),
          )
          const status = statusesOf(reply)[0]
          expect([status, bytes.length > 1_048_576]).toEqual(
            bytes.length > 1_048_576 ? [413, true] : [expect.toBeOneOf([200, 400]), false],
          )
          for (const asked of api.parts.asked) {
            const orderId = asked.slice('refetch shop '.length)
            expect(orderId.length).toBeGreaterThan(0)
            expect(orderId.length).toBeLessThanOrEqual(200)
            expect(orderId.isWellFormed()).toBe(true)
            // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
            expect(orderId).not.toMatch(/^\.{1,2}$|[\u0000-\u001f\u007f]/)
            expect(() => encodeURIComponent(orderId)).not.toThrow()
          }
        }),
        runs(60),
      )
      await expectAlive()
    },
    PATIENCE,
  )

  test(
    'that is not signed so changes nothing, whatever its signature looks like',
    async () => {
      await fc.assert(
        fc.asyncProperty(payload, wrong, async (bytes, signature) => {
          api.parts.asked.length = 0
          const small = bytes.subarray(0, 100_000)
          fc.pre(signature !== signatureOf(small))
          const reply = await raw(
            Buffer.concat([
              Buffer.from(
                `POST ${SHOP} HTTP/1.1\r\nHost: hooks.example\r\nConnection: close\r\nX-Shoplazza-Hmac-Sha256: ${signature}\r\nContent-Length: ${small.length}\r\n\r\n`,
                'latin1',
              ),
              small,
            ]),
          )
          expect([[401], [400]]).toContainEqual(statusesOf(reply))
          expect(api.parts.asked).toEqual([])
        }),
        runs(40),
      )
    },
    PATIENCE,
  )

  test('one whose signature is given twice, once rightly, is refused', async () => {
    const bytes = Buffer.from('{"id":"1"}')
    api.parts.asked.length = 0
    const line = `X-Shoplazza-Hmac-Sha256: ${signatureOf(bytes)}\r\n`
    const reply = await raw(
      `POST ${SHOP} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Shoplazza-Hmac-Sha256: x\r\n${line}Content-Length: ${bytes.length}\r\n\r\n${bytes}`,
    )
    expect(statusesOf(reply)).toEqual([401])
    expect(api.parts.asked).toEqual([])
  })

  test('of very many orders fills the queue to its limit and no further', async () => {
    const refetcher = createRefetcher({ clock: systemClock() })
    for (let n = 0; n < 50_000; n++) refetcher.add(`order-${n}`)
    const stop = new AbortController()
    let taken = 0
    for (;;) {
      const batch = await Promise.race([
        refetcher.next(stop.signal),
        new Promise<readonly string[]>(resolve => setTimeout(resolve, 100, [])),
      ])
      if (batch.length === 0) break
      taken += batch.length
    }
    stop.abort()
    expect(taken).toBe(10_000)
  })
})
