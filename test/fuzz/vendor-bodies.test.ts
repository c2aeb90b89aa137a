import type { Socket } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { createVendorHttp, type VendorHttp } from '../../src/sources/shared/http.ts'
import { openChain, type Seen } from './chain.ts'
import { gistsOf } from './oracle.ts'
import { named, SAMPLES } from './samples.ts'
import { PATIENCE, runs, SEED } from './settings.ts'
import { textOf } from './tree.ts'
import { head, openWire, pour, type Wire, type WireRequest, whole } from './wire.ts'

/** Answers of a vendor that are not as they should be, as bytes: through source and ingest into the store, and a good answer after each. */

let chain: Awaited<ReturnType<typeof openChain>>
let wire: Wire
beforeAll(async () => {
  chain = await openChain()
  wire = await openWire()
})
afterAll(async () => {
  await wire.close()
  await chain.close()
})

const [kakaclo] = SAMPLES.filter(({ kind }) => kind === 'kakaclo v2')
if (!kakaclo) throw new Error('there is no such sample')
const IDS = ['one', 'two', 'Müller-3']
const rows = IDS.map(id => textOf(named(kakaclo, kakaclo.row, id)))
const PAGE = `{"code":10000,"message":"ok","data":{"total":3,"pageNumber":1,"pageSize":250,"list":[${rows.join(',')}]}}`

type Respond = (socket: Socket, request: WireRequest) => void

/** Time runs so much faster for the client that its limits are met at once. */
const HURRY = 100

async function pollAgainst(respond: Respond, hurry = 1): Promise<Seen> {
  wire.answer = (request, socket) => respond(socket, request)
  return chain.poll('kakaclo v2', () => {}, { base: wire.url, hurry })
}

const facts = (seen: Seen): string[] => IDS.flatMap(id => gistsOf(seen, id))
let usual: Seen
beforeAll(async () => {
  usual = await pollAgainst(socket => void socket.write(whole(PAGE)))
})

/** Read or refused with an intent, said nothing that a good answer does not say, and kept nothing that spoils the next. */
async function expectSound(respond: Respond, hurry = 1): Promise<Seen> {
  const seen = await pollAgainst(respond, hurry)
  if (seen.error !== null) expect(seen.error).toBeInstanceOf(AppError)
  const said = facts(usual)
  expect(facts(seen).filter(fact => !said.includes(fact))).toEqual([])
  expect(seen.events.length).toBe(facts(seen).length)
  return seen
}
/** Says something again and again until the connection is gone. */
function drip(socket: Socket, say: (n: number) => void): void {
  let n = 0
  const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : say(n++)), 5)
}

const live = () => ({ signal: new AbortController().signal, priority: 'live' as const })

function client(hurry = 1): VendorHttp {
  const clock = systemClock()
  const http = createVendorHttp({
    connection: 'c',
    baseUrl: wire.url,
    limit: { perSecond: 1e6, burst: 1e6 },
    clock: { ...clock, after: (ms, run) => clock.after(ms / hurry, run) },
  })
  onTestFinished(() => http.close())
  return http
}

const refusalOf = (http: VendorHttp): Promise<unknown> => http.get('/', live()).catch((error: unknown) => error)

const codeOf = ({ error }: Seen): string => (error instanceof AppError ? error.code : String(error))

describe('a page', () => {
  test('as it should be is read', () => {
    expect(usual.error).toBeNull()
    expect(facts(usual).length).toBeGreaterThanOrEqual(3 * IDS.length)
  })

  test.each([
    ['with a byte order mark', () => whole(`\ufeff${PAGE}`)],
    ['in gzip', () => whole(gzipSync(PAGE), 'content-encoding: gzip')],
    ['in x-gzip', () => whole(gzipSync(PAGE), 'Content-Encoding: X-GZIP')],
    ['in deflate', () => whole(deflateSync(PAGE), 'content-encoding: deflate')],
    ['in brotli', () => whole(brotliCompressSync(PAGE), 'content-encoding: br')],
    ['in zstd', () => whole(zstdCompressSync(PAGE), 'content-encoding: zstd')],
    ['of another type', () => whole(PAGE, 'content-type: text/html')],
    [
      'after a hundred interim answers',
      () => Buffer.concat([Buffer.from(head('103 Early Hints', 'link: </x>').repeat(100)), whole(PAGE)]),
    ],
    [
      'with headers named like members of objects',
      () => whole(PAGE, '__proto__: x', '__proto__: y', 'constructor: x', 'toString: x', 'hasownproperty: x'),
    ],
    ['without a length', () => Buffer.from(`${head('200 OK', 'connection: close')}${PAGE}`)],
    [
      'in chunks with extensions and trailers',
      () =>
        Buffer.from(
          `${head('200 OK', 'transfer-encoding: chunked')}${Buffer.byteLength(PAGE).toString(16)};a=b\r\n${PAGE}\r\n0\r\nx: y\r\n\r\n`,
        ),
    ],
    ['with blanks around', () => whole(`\n\n \t${PAGE}\r\n\r\n`)],
  ])('%s is read', async (_, bytes) => {
    const seen = await expectSound(
      socket =>
        void (/^connection: close/im.test(bytes().toString('latin1')) ? socket.end(bytes()) : socket.write(bytes())),
    )
    expect(codeOf(seen)).toBe('null')
    expect(facts(seen)).toEqual(facts(usual))
  })

  test.each([
    ['empty', () => whole(''), 'vendor.not_json'],
    ['in HTML', () => whole('<!doctype html><title>Just a moment…</title>'), 'vendor.not_json'],
    ['in UTF-16', () => whole(Buffer.from(`\ufeff${PAGE}`, 'utf16le')), 'vendor.not_json'],
    ['in gzip that is not said to be', () => whole(gzipSync(PAGE)), 'vendor.not_json'],
    ['that is not the gzip it is said to be', () => whole(PAGE, 'content-encoding: gzip'), 'vendor.encoding'],
    ['not the brotli', () => whole(PAGE, 'content-encoding: br'), 'vendor.encoding'],
    ['not the zstd', () => whole(PAGE, 'content-encoding: zstd'), 'vendor.encoding'],
    ['in half of a gzip', () => whole(gzipSync(PAGE).subarray(0, 400), 'content-encoding: gzip'), 'vendor.encoding'],
    ['in gzip twice', () => whole(gzipSync(gzipSync(PAGE)), 'content-encoding: gzip, gzip'), 'vendor.encoding'],
    ['in an encoding nobody knows', () => whole(PAGE, 'content-encoding: rot13'), 'vendor.encoding'],
    [
      'with more headers than anybody needs',
      () => whole(PAGE, ...Array.from({ length: 3_000 }, (_, n) => `x-${n}: ${'a'.repeat(50)}`)),
      'vendor.unreachable',
    ],
    [
      'with two lengths',
      () => Buffer.from(`${head('200 OK', 'content-length: 5', 'content-length: 6')}${PAGE}`),
      'vendor.unreachable',
    ],
    [
      'with a chunk size that is none',
      () => Buffer.from(`${head('200 OK', 'transfer-encoding: chunked')}zz\r\n${PAGE}`),
      'vendor.unreachable',
    ],
    ['that is no HTTP', () => Buffer.from('220 mail.example.com ESMTP\r\n'), 'vendor.unreachable'],
    [
      'nested too deeply to be a page',
      () => whole(`${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`),
      'kakaclo.failed',
    ],
    ['of a code that is no code', () => whole(PAGE.replace('10000', '{"toString":1,"valueOf":1}')), 'kakaclo.failed'],
    [
      'of a code nested deeply',
      () => whole(PAGE.replace('10000', `${'['.repeat(100_000)}10000${']'.repeat(100_000)}`)),
      'kakaclo.failed',
    ],
  ])('%s is refused with an intent', async (_, bytes, code) => {
    const seen = await expectSound(socket => void socket.end(bytes()))
    expect(codeOf(seen)).toBe(code)
    expect(facts(seen)).toEqual([])
  })

  test('in Latin-1 costs the order whose id cannot be read, and no other', async () => {
    const seen = await expectSound(socket => void socket.write(whole(Buffer.from(PAGE, 'latin1'))))
    expect(seen.error).toBeNull()
    expect(facts(seen)).toEqual(facts(usual).filter(fact => !fact.includes('Müller')))
    expect(seen.quarantine).toMatchObject([{ path: 'id' }])
  })
})

describe('an answer that does not end', () => {
  const deadline = { timeout: 20_000 }

  test('is given up when nothing comes', deadline, async () => {
    expect(codeOf(await expectSound(() => {}, HURRY))).toBe('vendor.timeout')
  })

  test.each([
    ['its headers', (socket: Socket, n: number) => socket.write(n === 0 ? 'HTTP/1.1 200 OK\r\n' : `x-${n}: y\r\n`)],
    [
      'its body',
      (socket: Socket, n: number) => socket.write(n === 0 ? head('200 OK', 'content-length: 1000000') : ' '),
    ],
    ['interim answers', (socket: Socket) => socket.write(head('102 Processing'))],
  ])('is given up although %s drip in', deadline, async (_, piece) => {
    const seen = await expectSound(socket => drip(socket, n => piece(socket, n)), HURRY)
    expect(codeOf(seen)).toBe('vendor.timeout')
  })

  test('is not read further than 16 MiB, whatever its length is said to be', deadline, async () => {
    let poured = { written: 0 }
    wire.answer = (_, socket) => {
      socket.write(head('200 OK', 'content-length: 9000000000'))
      poured = pour(socket, Buffer.alloc(1_048_576, ' '), 9_000)
    }
    expect(await refusalOf(client())).toMatchObject({ code: 'vendor.too_large', intent: 'narrow' })
    // What is on its way in the buffers of both sides comes on top.
    expect(poured.written).toBeLessThan(40)
  })

  test.each(['Sat, 13 Sep 275760 00:00:00 GMT', 'Fri, 31 Dec 9999 23:59:59 GMT', 'Thu, 01 Jan 1960 00:00:00 GMT'])(
    'with the date %s is not believed: no window could be asked for then',
    async date => {
      const http = client()
      wire.answer = (_, socket) => void socket.write(whole('{}', `date: ${date}`))
      await http.get('/', live())
      expect(http.offsetKnown).toBe(false)
      expect(Math.abs(http.vendorNow() - Date.now())).toBeLessThan(60_000)
    },
  )

  test('is not unpacked further than 16 MiB', deadline, async () => {
    const bomb = gzipSync(Buffer.alloc(20 * 1_048_576))
    wire.answer = (_, socket) => void socket.write(whole(bomb, 'content-encoding: gzip'))
    expect(await refusalOf(client())).toMatchObject({ code: 'vendor.too_large', intent: 'narrow' })
  })

  test.each([
    ['for ever', (socket: Socket) => void pour(socket, Buffer.alloc(1_048_576, ' '), 9_000)],
    ['in drips', (socket: Socket) => drip(socket, () => socket.write(' '))],
  ])(
    'to a request that is refused costs no later one its connection, though it goes on %s',
    deadline,
    async (_, goOn) => {
      const http = client(HURRY)
      wire.answer = (_, socket) => {
        socket.write(head('500 Internal Server Error'))
        goOn(socket)
      }
      for (let request = 0; request < 10; request++)
        expect(await refusalOf(http)).toMatchObject({ code: 'vendor.unavailable', intent: 'retry' })
      wire.answer = (_, socket) => void socket.write(whole('{}'))
      expect((await http.get('/', live())).json()).toEqual({})
    },
  )
})

describe(`whatever comes back (seed ${SEED})`, () => {
  const line = fc.oneof(
    fc.constantFrom(
      'content-length: 5',
      'content-length: -1',
      'content-length: 99999999999999999999',
      'transfer-encoding: chunked',
      'transfer-encoding: gzip, chunked',
      'content-encoding: gzip',
      'connection: close',
      'connection: keep-alive',
      'connection: upgrade',
      'upgrade: h2c',
      'date: Fri, 31 Dec 9999 23:59:59 GMT',
      'date: Sat, 13 Sep 275760 00:00:00 GMT',
      'date: Thu, 01 Jan 1970 00:00:00 GMT',
      'date: nonsense',
      'retry-after: 0',
      'retry-after: -1',
      'retry-after: 1e9',
      'retry-after: Fri, 31 Dec 9999 23:59:59 GMT',
      'location: http://127.0.0.1:1/',
      'set-cookie: a=b',
      '__proto__: a',
      'constructor: a',
      ': a',
      'no colon',
      ' folded: a',
      'x: \u0000',
    ),
    fc.string({ unit: 'binary-ascii', maxLength: 30 }).map(text => `x: ${text}`),
  )
  const status = fc.oneof(
    { weight: 4, arbitrary: fc.constant('200 OK') },
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 1200 }).map(String) },
    { weight: 1, arbitrary: fc.constantFrom('', '-1', '2OO', '200', '99999', '200 \u0000') },
  )

  test(
    'the poll ends, with what was said or with an intent, and the next one says all',
    async () => {
      const bytes = Buffer.from(PAGE)
      await fc.assert(
        fc.asyncProperty(
          status,
          fc.array(line, { maxLength: 4 }),
          fc.nat(bytes.length),
          fc.boolean(),
          async (status, lines, cut, honest) => {
            const length = honest ? [`content-length: ${bytes.length}`] : []
            const answer = Buffer.concat([
              Buffer.from(head(status, ...length, ...lines), 'latin1'),
              honest ? bytes : bytes.subarray(0, cut),
            ])
            let answered = 0
            const seen = await expectSound(socket => {
              answered++
              socket.end(answer)
            })
            expect(answered).toBeLessThan(40)
            expect([0, facts(usual).length]).toContain(facts(seen).length)
          },
        ),
        runs(60),
      )
      const after = await expectSound(socket => void socket.write(whole(PAGE)))
      expect(facts(after)).toEqual(facts(usual))
    },
    PATIENCE,
  )

  test(
    'cut at any byte it is refused, for half a page is none',
    async () => {
      const answer = whole(PAGE)
      const headEnd = answer.indexOf('\r\n\r\n') + 4
      await fc.assert(
        fc.asyncProperty(fc.nat(answer.length - 1), fc.boolean(), async (cut, reset) => {
          const seen = await expectSound(socket => {
            socket.write(answer.subarray(0, cut), () =>
              reset && cut > headEnd ? socket.resetAndDestroy() : socket.end(),
            )
          })
          expect(seen.error).toBeInstanceOf(AppError)
          expect(facts(seen)).toEqual([])
        }),
        runs(25),
      )
    },
    PATIENCE,
  )
})
