import fc from 'fast-check'
import { generatedFiles } from '../../src/api/documents/write-schemas.ts'
import { createConsole } from '../../src/console/console.ts'
import { BODY_MEMBERS } from '../helpers/body-members.ts'
import { anything } from './mutations.ts'
import { object, textOf } from './tree.ts'

const paths: Record<string, Record<string, unknown>> = JSON.parse(
  generatedFiles(createConsole())['openapi.json'] ?? '',
).paths
/** Methods and paths of the API. */
export const operations = Object.entries(paths).flatMap(([path, item]) =>
  Object.keys(item).map(method => [method.toUpperCase(), path] as const),
)

export const oneOf = (...values: readonly string[]) => fc.constantFrom(...values)
/** A few bytes of ASCII. */
export const odd = fc.string({ unit: 'binary-ascii', maxLength: 12 })
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
const body = fc.oneof(
  { weight: 2, arbitrary: fc.constant('') },
  {
    weight: 5,
    arbitrary: fc.dictionary(oneOf(...BODY_MEMBERS), anything, { maxKeys: 3 }).map(members => textOf(object(members))),
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

/** Requests as bytes (latin1): right in part, odd in part, and framed as they say or otherwise. */
export const request = fc
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
