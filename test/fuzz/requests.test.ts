import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { env } from '../api/harness.ts'
import { operations, request } from './request.ts'
import { openServed, type Reply, type Served, statusesOf } from './served.ts'
import { PATIENCE, runs, SEED } from './settings.ts'

/** What comes in by HTTP, byte for byte, from anybody: an answer that is no 500, or a connection that is closed; and the next one is answered. */

let served: Served
beforeAll(async () => {
  served = await openServed()
})
afterAll(() => served.close())

const expectAlive = async () => expect((await fetch(`${served.url}/healthz`)).status).toBe(200)

function expectNoFailure(reply: Reply): void {
  for (const status of statusesOf(reply))
    if (status >= 500) expect(reply.text.slice(0, 600)).toBe('no answer of 500 or more')
}

describe(`whatever is asked (seed ${SEED})`, () => {
  test(
    'is answered, without a 500, or hung up on; and the server goes on',
    async () => {
      await fc.assert(
        fc.asyncProperty(request, async bytes => expectNoFailure(await served.raw(Buffer.from(bytes, 'latin1')))),
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
          expectNoFailure(await served.raw(Buffer.from(several.join(''), 'latin1'))),
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
          expectNoFailure(await served.raw(Buffer.from(bytes.slice(0, Math.floor(bytes.length * part)), 'latin1'))),
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
          expectNoFailure(await served.raw(Buffer.from(bytes))),
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
    const reply = await served.raw(started, { more: { piece: `10000\r\n${' '.repeat(65_536)}\r\n`, pieces: 2_000 } })
    // Where it hangs up while more is on its way, the answer may be lost on ours.
    expect([[413], []]).toContainEqual(statusesOf(reply))
    expect(reply.sent).toBeLessThan(40 * 1_048_576)
  })

  test.each(bodies)(
    'to %s %s that is said to be larger than 1 MiB is refused before it comes',
    async (method, path) => {
      const reply = await served.raw(
        `${method} ${pathOf(path)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n`,
        { stays: true },
      )
      expect(statusesOf(reply)).toEqual([413])
    },
  )

  test('of very many chunks of one byte is read as what it is', async () => {
    const reply = await served.raw(
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
    const answer = await served.api.app.fetch(asked, env())
    expect(await answer.json()).toMatchObject({ description: 'in one piece' })
  })

  test('that comes slower than anybody sends it is cut off', async () => {
    const reply = await served.raw('POST /hooks/shop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{', {
      stays: true,
    })
    expect([[], [408], [400]]).toContainEqual(statusesOf(reply))
    await expectAlive()
  })

  test('that is wrong in very many places is answered with the first of them', async () => {
    const text = `{${Array.from({ length: 60_000 }, (_, n) => `"x${n}":1`).join(',')}}`
    const { status, text: answer } = await served.api.call('POST', '/v1/endpoints', { body: text })
    expect(status).toBe(400)
    expect(answer.length).toBeLessThan(20_000)
  })
})
