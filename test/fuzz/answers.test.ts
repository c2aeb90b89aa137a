import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createPost, deliverBy } from '../../src/destinations/webhooks/deliver.ts'
import { createGuard } from '../../src/destinations/webhooks/egress.ts'
import { createSender, type Sender } from '../../src/destinations/webhooks/send.ts'
import type { Outcome } from '../../src/dispatch/destination.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { newSecret } from '../../src/lib/secret-box.ts'
import { createSigner } from '../../src/lib/sign.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import { eventRecord } from '../helpers/event-records.ts'
import { PATIENCE, runs, SEED } from './settings.ts'
import { head, openWire, pour, type Wire, type WireRequest, whole } from './wire.ts'

/** Answers of endpoints, byte for byte: an event counts as delivered only where the answer to its own request said so. */

/** Limits of time come so many times sooner. */
const HURRY = 50
const real = systemClock()
const clock = { ...real, after: (ms: number, run: () => void) => real.after(ms / HURRY, run) }
const secret = newSecret()

let wire: Wire
let sender: Sender
beforeEach(async () => {
  wire = await openWire()
  sender = createSender({ guard: createGuard({ allow: ['127.0.0.0/8'] }), clock })
})
afterEach(async () => {
  await sender.close()
  await wire.close()
})

/** One that is to be taken gets more time: it must not fail where the machine is busy. */
const [LITTLE, MUCH] = [5_000, 100_000]

function deliver(event: EventRecord = eventRecord({ orderId: '1' }), timeoutMs = MUCH): Promise<Outcome> {
  const post = createPost({
    url: `${wire.url}/hook`,
    timeoutMs,
    signer: () => createSigner([secret]),
    sender,
    clock,
    version: '1.2.3',
  })
  return deliverBy(post, clock)(event, { attempt: 1, replay: false, signal: new AbortController().signal })
}

const answers = (respond: (socket: Socket, request: WireRequest) => void) => {
  wire.answer = (request, socket) => respond(socket, request)
}
const OK = head('200 OK', 'content-length: 0')
const NO = head('500 No', 'content-length: 0')

/** The next delivery goes out, and is answered by its own answer: first it is refused, then taken. */
async function expectGoesOn(): Promise<void> {
  answers(socket => void socket.write(NO))
  let outcome = await deliver()
  // What came too late for its own request may cost the next one an attempt.
  for (let more = 0; more < 3 && outcome.statusCode === null; more++) outcome = await deliver()
  expect(outcome).toMatchObject({ result: 'retry', statusCode: 500 })
  answers(socket => void socket.write(OK))
  expect(await deliver()).toMatchObject({ result: 'delivered', statusCode: 200 })
}

const BOMB = whole(gzipSync(Buffer.alloc(10_000_000)), 'content-encoding: gzip')
const flood = (socket: Socket, piece: string | Buffer) => void pour(socket, piece, 3_000)

/** What is written for one request, and whether it acknowledges it. */
const ANSWERS: Readonly<
  Record<string, { acknowledges: boolean; write: (socket: Socket, request: WireRequest) => void }>
> = {
  taken: { acknowledges: true, write: socket => void socket.write(OK) },
  refused: { acknowledges: false, write: socket => void socket.write(NO) },
  'taken, in small pieces': {
    acknowledges: true,
    write: socket => {
      for (const byte of OK) socket.write(byte)
    },
  },
  'refused, then taken at once': { acknowledges: false, write: socket => void socket.write(NO + OK) },
  'refused, then taken many times at once': {
    acknowledges: false,
    write: socket => void socket.write(NO + OK.repeat(200)),
  },
  'taken twice at once': { acknowledges: true, write: socket => void socket.write(OK + OK) },
  'refused with 204 taken in its body': {
    acknowledges: false,
    write: socket => void socket.write(whole(OK).toString().replace('200 OK', '503 Busy')),
  },
  'refused, shorter than said, and closed': {
    acknowledges: false,
    write: socket => void socket.end(`${head('500 No', 'content-length: 500')}${OK}`),
  },
  'refused, longer than said': {
    acknowledges: false,
    write: socket => void socket.write(`${head('500 No', 'content-length: 3')}abc${OK}`),
  },
  'refused, two lengths': {
    acknowledges: false,
    write: socket => void socket.write(`${head('500 No', 'content-length: 0', `content-length: ${OK.length}`)}${OK}`),
  },
  'refused, a length and chunks': {
    acknowledges: false,
    write: socket =>
      void socket.write(`${head('500 No', 'content-length: 5', 'transfer-encoding: chunked')}0\r\n\r\n${OK}`),
  },
  'refused, an odd transfer encoding': {
    acknowledges: false,
    write: socket => void socket.write(`${head('500 No', 'transfer-encoding: xchunked')}${OK}`),
  },
  'refused, chunks that are none': {
    acknowledges: false,
    write: socket => void socket.write(`${head('500 No', 'transfer-encoding: chunked')}0x\r\n${OK}`),
  },
  'refused, chunks with a taken in the trailers': {
    acknowledges: false,
    write: socket => void socket.write(`${head('500 No', 'transfer-encoding: chunked')}0\r\nx: y\r\n\r\n${OK}`),
  },
  'refused, 304 with a body': {
    acknowledges: false,
    write: socket => void socket.write(`${head('304 Not Modified', `content-length: ${OK.length}`)}${OK}`),
  },
  'taken, 204 with a body': {
    acknowledges: true,
    write: socket => void socket.write(`${head('204 No Content', `content-length: ${NO.length}`)}${NO}`),
  },
  'taken, 205 with chunks': {
    acknowledges: true,
    write: socket => void socket.write(`${head('205 Reset', 'transfer-encoding: chunked')}5\r\nabcde\r\n0\r\n\r\n`),
  },
  'refused, says it stays and closes': {
    acknowledges: false,
    write: socket =>
      void socket.end(head('500 No', 'content-length: 0', 'connection: keep-alive', 'keep-alive: timeout=999')),
  },
  'taken, says it closes and stays': {
    acknowledges: true,
    write: socket => void socket.write(head('200 OK', 'content-length: 0', 'connection: close')),
  },
  'taken in HTTP/1.0': { acknowledges: true, write: socket => void socket.end(head('200 OK').replace('1.1', '1.0')) },
  'refused with interim answers before': {
    acknowledges: false,
    write: socket => void socket.write(head('102 Processing').repeat(50) + NO),
  },
  'an upgrade': {
    acknowledges: false,
    write: socket => void socket.write(head('101 Switching', 'connection: upgrade', 'upgrade: h2c') + OK),
  },
  'asked to go on, and taken': { acknowledges: false, write: socket => void socket.write(head('100 Continue') + OK) },
  'interim answers without end': {
    acknowledges: false,
    write: socket => flood(socket, head('103 Hints', 'link: </x>').repeat(100)),
  },
  'headers without end': {
    acknowledges: false,
    write: socket => {
      socket.write('HTTP/1.1 200 OK\r\n')
      flood(socket, 'x: y\r\n'.repeat(1_000))
    },
  },
  'one header without end': {
    acknowledges: false,
    write: socket => {
      socket.write('HTTP/1.1 200 OK\r\nx: ')
      flood(socket, 'y'.repeat(6_000))
    },
  },
  'a status line without end': {
    acknowledges: false,
    write: socket => {
      socket.write('HTTP/1.1 200 ')
      flood(socket, 'y'.repeat(6_000))
    },
  },
  'a body without end': {
    acknowledges: true,
    write: socket => {
      socket.write(head('200 OK'))
      flood(socket, 'y'.repeat(6_000))
    },
  },
  'a refusal without end': {
    acknowledges: false,
    write: socket => {
      socket.write(head('500 No', 'transfer-encoding: chunked'))
      flood(socket, `1770\r\n${'y'.repeat(6_000)}\r\n`)
    },
  },
  'a chunk size without end': {
    acknowledges: false,
    write: socket => {
      socket.write(head('500 No', 'transfer-encoding: chunked'))
      flood(socket, '0'.repeat(6_000))
    },
  },
  'trailers without end': {
    acknowledges: false,
    write: socket => {
      socket.write(`${head('500 No', 'transfer-encoding: chunked')}0\r\n`)
      flood(socket, 'x: y\r\n'.repeat(1_000))
    },
  },
  'a bomb': {
    acknowledges: true,
    write: socket => void socket.write(BOMB),
  },
  'headers named like members of objects': {
    acknowledges: true,
    write: socket =>
      void socket.write(
        head('200 OK', 'content-length: 0', '__proto__: x', '__proto__: y', 'constructor: x', 'constructor: y'),
      ),
  },
  'two Retry-After': {
    acknowledges: false,
    write: socket => void socket.write(head('503 Busy', 'content-length: 0', 'retry-after: 5', 'retry-after: 7')),
  },
  'two content-encodings': {
    acknowledges: true,
    write: socket => void socket.write(whole('x', 'content-encoding: gzip', 'content-encoding: br')),
  },
  'a Retry-After that is none': {
    acknowledges: false,
    write: socket => void socket.write(head('429 Slow', 'content-length: 0', `retry-after: ${'9'.repeat(400)}`)),
  },
  'no HTTP': { acknowledges: false, write: socket => void socket.write('SSH-2.0-x\r\n\r\n') },
  'HTTP/2': {
    acknowledges: false,
    write: socket => void socket.write(Buffer.from('000012040000000000000300000064000400010000000200000000', 'hex')),
  },
  nothing: { acknowledges: false, write: () => {} },
  'an end': { acknowledges: false, write: socket => void socket.end() },
  'a reset': { acknowledges: false, write: socket => void socket.resetAndDestroy() },
  'a half and an end': { acknowledges: false, write: socket => void socket.end('HTTP/1.1 200 OK\r\ncontent-le') },
  'a half and a reset': {
    acknowledges: false,
    write: socket => {
      socket.write('HTTP/1.1 200 OK\r\n')
      socket.resetAndDestroy()
    },
  },
}

const RESULTS = ['delivered', 'retry', 'gone', 'aborted']

describe('an endpoint that answers', () => {
  test.each(Object.entries(ANSWERS))('%s', async (_, { acknowledges, write }) => {
    answers(write)
    const outcome = await deliver(undefined, acknowledges ? MUCH : LITTLE)
    expect(outcome.result).toBe(acknowledges ? 'delivered' : 'retry')
    if (outcome.result === 'retry') expect(outcome.error ?? '').not.toBe('')
    expect(outcome.response?.length ?? 0).toBeLessThanOrEqual(2_048)
    await expectGoesOn()
  })

  test('twice, the second time when nothing is asked, is hung up on', async () => {
    let late = () => {}
    answers(socket => {
      socket.write(NO)
      late = () => void socket.write(OK)
    })
    expect(await deliver()).toMatchObject({ result: 'retry', statusCode: 500 })
    late()
    await expect.poll(() => wire.open).toBe(0)
    await expectGoesOn()
  })

  test('before a large event is read is not asked again on that connection, where the rest of it could be taken for a request', async () => {
    const large = { ...eventRecord({ orderId: '2' }), body: 'x'.repeat(900_000) }
    const numbers: number[] = []
    answers((socket, { number }) => {
      numbers.push(number)
      socket.write(OK)
    })
    for (let time = 0; time < 4; time++) {
      expect(await deliver(large)).toMatchObject({ result: 'delivered' })
      // By then the connection could be used again.
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(numbers).toEqual([1, 1, 1, 1])
  })
})

describe(`endpoints of one origin (seed ${SEED})`, () => {
  test(
    'whatever they answer, each event is acknowledged by its own answer or not at all',
    async () => {
      const names = Object.keys(ANSWERS)
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 5 }),
          async rounds => {
            const due = new Map<string, string>()
            answers((socket, { head: request, ...rest }) => {
              const id = /^webhook-id: (\S+)/im.exec(request)?.[1] ?? ''
              ANSWERS[due.get(id) ?? '']?.write(socket, { head: request, ...rest })
            })
            let count = 0
            for (const round of rounds) {
              const sent = round.map(name => {
                const id = `evt_${String(++count).padStart(22, '0')}`
                due.set(id, name)
                return deliver(
                  { ...eventRecord({ orderId: String(count) }), id },
                  ANSWERS[name]?.acknowledges ? MUCH : LITTLE,
                ).then(outcome => ({ name, outcome }))
              })
              for (const { name, outcome } of await Promise.all(sent)) {
                expect(RESULTS).toContain(outcome.result)
                if (outcome.result === 'delivered') expect([name, ANSWERS[name]?.acknowledges]).toEqual([name, true])
              }
            }
            await expectGoesOn()
          },
        ),
        runs(12),
      )
    },
    PATIENCE,
  )

  test(
    'bytes of any kind are an outcome, and acknowledge only with a status from 200 to 299',
    async () => {
      const line = fc.oneof(
        fc.constantFrom(
          'content-length: 0',
          'content-length: 3',
          'content-length: -1',
          'transfer-encoding: chunked',
          'connection: close',
          'connection: upgrade',
          'upgrade: x',
          'retry-after: 1',
          'retry-after: Fri, 31 Dec 9999 23:59:59 GMT',
          'location: /',
          'content-encoding: gzip',
          ': x',
          ' folded',
          'x',
        ),
        fc.string({ unit: 'binary-ascii', maxLength: 20 }).map(text => `x-a: ${text}`),
      )
      const status = fc.oneof(
        fc.integer({ min: 0, max: 1_000 }).map(String),
        fc.constantFrom('200', '204', '410', '429', '503', '1', '099', '2000', 'OK', '-200', ''),
      )
      const text = fc.oneof(
        fc
          .tuple(status, fc.array(line, { maxLength: 3 }), fc.string({ unit: 'binary-ascii', maxLength: 40 }))
          .map(([code, lines, body]) => head(`${code} x`, ...lines) + body),
        fc.string({ unit: 'binary-ascii', maxLength: 60 }),
      )
      await fc.assert(
        fc.asyncProperty(text, fc.boolean(), async (bytes, closes) => {
          answers(socket => {
            socket.write(bytes, 'latin1')
            if (closes) socket.end()
          })
          const outcome = await deliver(undefined, LITTLE)
          expect(RESULTS).toContain(outcome.result)
          if (outcome.result === 'delivered') expect(bytes).toMatch(/^HTTP\/1\.1 2\d\d /)
          if (outcome.result === 'gone') expect(bytes).toMatch(/^HTTP\/1\.1 410 /)
          expect(outcome.restMs ?? 0).toBeLessThanOrEqual(3_600_000)
        }),
        runs(80),
      )
      await expectGoesOn()
    },
    PATIENCE,
  )

  test(
    'an answer that is cut at any byte acknowledges nothing before its head is whole',
    async () => {
      const bytes = Buffer.from(head('200 OK', 'content-length: 20', 'x-a: b') + 'b'.repeat(20))
      const headEnd = bytes.indexOf('\r\n\r\n') + 4
      await fc.assert(
        fc.asyncProperty(fc.nat(bytes.length), fc.boolean(), async (cut, resets) => {
          answers(
            socket =>
              void socket.write(bytes.subarray(0, cut), () => (resets ? socket.resetAndDestroy() : socket.end())),
          )
          const { result } = await deliver()
          if (cut < headEnd) expect(result).toBe('retry')
          else if (!resets) expect(result).toBe('delivered')
        }),
        runs(40),
      )
      await expectGoesOn()
    },
    PATIENCE,
  )
})
