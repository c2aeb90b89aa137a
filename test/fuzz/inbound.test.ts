import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WEBHOOK_SECRET } from '../api/harness.ts'
import { anything } from './mutations.ts'
import { odd, oneOf } from './request.ts'
import { openServed, type Served, statusesOf } from './served.ts'
import { PATIENCE, runs, SEED } from './settings.ts'
import { object, textOf } from './tree.ts'

/** Webhooks that come in, byte for byte. */

let served: Served
beforeAll(async () => {
  served = await openServed()
})
afterAll(() => served.close())

const expectAlive = async () => expect((await fetch(`${served.url}/healthz`)).status).toBe(200)

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
          served.api.parts.asked.length = 0
          const dedupe = id === null ? '' : `X-Shoplazza-Deduplication-ID: ${id}\r\n`
          const reply = await served.raw(
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
          for (const asked of served.api.parts.asked) {
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
          served.api.parts.asked.length = 0
          const small = bytes.subarray(0, 100_000)
          fc.pre(signature !== signatureOf(small))
          const reply = await served.raw(
            Buffer.concat([
              Buffer.from(
                `POST ${SHOP} HTTP/1.1\r\nHost: hooks.example\r\nConnection: close\r\nX-Shoplazza-Hmac-Sha256: ${signature}\r\nContent-Length: ${small.length}\r\n\r\n`,
                'latin1',
              ),
              small,
            ]),
          )
          expect([[401], [400]]).toContainEqual(statusesOf(reply))
          expect(served.api.parts.asked).toEqual([])
        }),
        runs(40),
      )
    },
    PATIENCE,
  )

  test('one whose signature is given twice, once rightly, is refused', async () => {
    const bytes = Buffer.from('{"id":"1"}')
    served.api.parts.asked.length = 0
    const line = `X-Shoplazza-Hmac-Sha256: ${signatureOf(bytes)}\r\n`
    const reply = await served.raw(
      `POST ${SHOP} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Shoplazza-Hmac-Sha256: x\r\n${line}Content-Length: ${bytes.length}\r\n\r\n${bytes}`,
    )
    expect(statusesOf(reply)).toEqual([401])
    expect(served.api.parts.asked).toEqual([])
  })
})
