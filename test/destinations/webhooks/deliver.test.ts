import { gzipSync } from 'node:zlib'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createPost, deliverBy } from '../../../src/destinations/webhooks/deliver.ts'
import { createGuard } from '../../../src/destinations/webhooks/egress.ts'
import { createSender, type Sender } from '../../../src/destinations/webhooks/send.ts'
import type { Destination, Outcome } from '../../../src/dispatch/destination.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { newSecret } from '../../../src/lib/secret-box.ts'
import { createSigner } from '../../../src/lib/sign.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { createReceiver, hang, type Receiver, reset } from '../../helpers/receiver.ts'

const clock = systemClock()
const event = eventRecord({ orderId: '1001' })
const secret = newSecret()

let receiver: Receiver
let sender: Sender
beforeEach(async () => {
  receiver = await createReceiver()
  sender = createSender({ guard: createGuard({ allow: ['127.0.0.0/8'] }), clock })
})
afterEach(async () => {
  await sender.close()
  await receiver.close()
})

const destination = (url = receiver.url, timeoutMs = 5_000): Destination['deliver'] =>
  deliverBy(
    createPost({ url, timeoutMs, signer: () => createSigner([secret]), sender, clock, version: '1.2.3' }),
    clock,
  )

const deliver = (
  more: { url?: string; timeoutMs?: number; signal?: AbortSignal; replay?: boolean } = {},
): Promise<Outcome> =>
  destination(more.url, more.timeoutMs)(event, {
    attempt: 1,
    replay: more.replay ?? false,
    signal: more.signal ?? new AbortController().signal,
  })

describe('a delivery', () => {
  test('is a POST of the stored bytes with the headers of Standard Webhooks', async () => {
    expect(await deliver()).toEqual({ result: 'delivered', statusCode: 204, error: null, response: null, restMs: null })
    const [request] = receiver.received
    expect(request).toMatchObject({ method: 'POST', path: '/hook', body: event.body })
    expect(request?.headers).toMatchObject({
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'user-agent': 'orderwire/1.2.3',
      'webhook-id': event.id,
      'webhook-timestamp': expect.stringMatching(/^\d{10}$/),
      'webhook-signature': expect.stringMatching(/^v1,/),
    })
    expect(request?.headers).not.toHaveProperty('orderwire-replay')
    expect(new Webhook(secret).verify(request?.body ?? '', request?.headers as Record<string, string>)).toEqual(
      JSON.parse(event.body),
    )
  })

  test('of a replay says so in a header', async () => {
    await deliver({ replay: true })
    expect(receiver.received[0]?.headers['orderwire-replay']).toBe('true')
  })

  test('keeps the query of the URL', async () => {
    await deliver({ url: `${receiver.url}/deep?tenant=7&x=%20` })
    expect(receiver.received[0]?.path).toBe('/hook/deep?tenant=7&x=%20')
  })

  test.each([200, 201, 202, 204, 299])('is acknowledged by %i', async status => {
    receiver.otherwise = status
    expect(await deliver()).toMatchObject({ result: 'delivered', statusCode: status, error: null })
  })

  test.each([301, 302, 303, 307, 308])(
    'is not acknowledged by the redirect %i, which is not followed',
    async status => {
      receiver.otherwise = { status, headers: { location: `${receiver.url}/elsewhere` } }
      expect(await deliver()).toMatchObject({ result: 'retry', statusCode: status })
      expect(receiver.received).toHaveLength(1)
    },
  )

  test.each([400, 401, 404, 409, 422, 429, 500, 502, 503])('fails with %i and may be retried', async status => {
    receiver.otherwise = { status, body: 'no good' }
    expect(await deliver()).toEqual({
      result: 'retry',
      statusCode: status,
      error: `answered ${status}`,
      response: 'no good',
      restMs: null,
    })
  })

  test('is answered 410: the endpoint is gone', async () => {
    receiver.otherwise = 410
    expect(await deliver()).toMatchObject({ result: 'gone', statusCode: 410 })
  })

  test.each([
    [429, '7', 7_000],
    [503, '7', 7_000],
    [503, '999999', 3_600_000],
    [429, 'soon', null],
    [500, '7', null],
    [429, '0', 0],
  ])('with %i and Retry-After %s asks for a rest of %s ms', async (status, value, restMs) => {
    receiver.otherwise = { status, headers: { 'retry-after': value } }
    expect(await deliver()).toMatchObject({ result: 'retry', restMs })
  })

  test.each([
    '4',
    '4.0',
    'Mon, 02 Mar 2026 10:00:04 GMT',
    'Monday, 02-Mar-26 10:00:04 GMT',
    'Mon Mar  2 10:00:04 2026',
  ])("case 49: Retry-After %j from an endpoint is a rest of 4 s by the answer's own Date", async value => {
    const date = 'Mon, 02 Mar 2026 10:00:00 GMT'
    receiver.otherwise = { status: 503, headers: { date, 'retry-after': value } }
    expect(await deliver()).toMatchObject({ result: 'retry', restMs: 4_000 })
  })

  test('understands Retry-After as a date', async () => {
    const at = new Date(Date.now() + 60_000).toUTCString()
    receiver.otherwise = { status: 503, headers: { 'retry-after': at } }
    const { restMs } = await deliver()
    expect(restMs).toBeGreaterThan(50_000)
    expect(restMs).toBeLessThanOrEqual(60_000)
  })

  test('that is never answered fails at the timeout', async () => {
    receiver.otherwise = hang
    expect(await deliver({ timeoutMs: 100 })).toMatchObject({
      result: 'retry',
      statusCode: null,
      error: 'no answer within 100 ms',
    })
  })

  test('whose headers dribble in fails at the timeout', async () => {
    receiver.otherwise = response => {
      const socket = response.socket
      socket?.write('HTTP/1.1 200 OK\r\n')
      const timer = setInterval(() => socket?.write('x-drip: 1\r\n'), 20)
      socket?.on('close', () => clearInterval(timer))
    }
    expect(await deliver({ timeoutMs: 200 })).toMatchObject({ result: 'retry', statusCode: null })
  })

  test('answered 200 is acknowledged although the body dribbles in, and the connection is not kept', async () => {
    receiver.otherwise = response => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('drip '), 50)
      response.on('close', () => clearInterval(timer))
    }
    const answer = await deliver()
    expect(answer).toMatchObject({ result: 'delivered', statusCode: 200 })
    expect(answer.response).toMatch(/^drip /)
    await expect.poll(() => receiver.open).toBe(0)
  })

  test('reads a huge body to 16 KiB, keeps 2 KiB, and closes the connection', async () => {
    let written = 0
    receiver.otherwise = response => {
      response.writeHead(500)
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(10_000))) written += 10_000
      }
      response.on('drain', more)
      more()
    }
    const answer = await deliver()
    expect(answer).toMatchObject({ result: 'retry', statusCode: 500 })
    expect(answer.response).toBe('x'.repeat(2_048))
    await expect.poll(() => receiver.open).toBe(0)
    expect(written).toBeLessThan(50_000_000)
  })

  test('does not unpack a compressed body', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000))
    receiver.otherwise = { status: 200, headers: { 'content-encoding': 'gzip' }, body: bomb }
    const answer = await deliver()
    expect(answer.result).toBe('delivered')
    expect(answer.response).toMatch(/^\[\d+ bytes, gzip\]$/)
  })

  test('keeps neither secrets, addresses nor control characters of a body', async () => {
    const json = '{"token":"hush","password": "p w", "id": 7}'
    const body = `ok\u0000\u0007 ${secret} for someone@example.com Bearer abc.def.ghi ${json} api_key=k1`
    receiver.otherwise = { status: 500, body }
    const { response } = await deliver()
    expect(response).toBe(
      'ok [secret] for [email] Bearer [secret] {"token":[secret],"password": [secret], "id": 7} api_key=[secret]',
    )
  })

  test('keeps a body that is not text as text that can be stored', async () => {
    receiver.otherwise = { status: 500, body: Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x41]) }
    const { response } = await deliver()
    expect(response?.isWellFormed()).toBe(true)
    expect(response).toContain('A')
    expect(response).not.toContain('\u0000')
  })

  test('over a connection that is cut fails and says why', async () => {
    receiver.otherwise = reset
    expect(await deliver()).toMatchObject({ result: 'retry', statusCode: null, error: expect.stringMatching(/\w/) })
  })

  test('whose answer breaks off after the status counts by its status', async () => {
    receiver.otherwise = response => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('begin')
      setImmediate(() => response.socket?.destroy())
    }
    expect(await deliver()).toMatchObject({ result: 'delivered', statusCode: 200 })
  })

  test('answered by something that is not HTTP fails', async () => {
    receiver.otherwise = response => void response.socket?.end('SSH-2.0-nothing\r\n\r\n')
    expect(await deliver()).toMatchObject({ result: 'retry', statusCode: null })
  })

  test('to a port where nobody listens fails', async () => {
    const gone = await createReceiver()
    await gone.close()
    expect(await deliver({ url: gone.url })).toMatchObject({
      result: 'retry',
      statusCode: null,
      error: expect.stringContaining('ECONNREFUSED'),
    })
  })

  test('is answered after an interim 103 by the final status', async () => {
    receiver.otherwise = response => {
      response.writeEarlyHints({ link: '</x>; rel=preload' })
      response.writeHead(201).end()
    }
    expect(await deliver()).toMatchObject({ result: 'delivered', statusCode: 201 })
  })

  test('fails on a 100 Continue that nobody asked for: the connection is given up with it', async () => {
    receiver.otherwise = response => {
      response.writeContinue()
      response.writeHead(200).end()
    }
    expect(await deliver()).toMatchObject({ result: 'retry', error: expect.stringContaining('bad response') })
  })

  test('is aborted by its signal, before and while it is under way', async () => {
    expect(await deliver({ signal: AbortSignal.abort() })).toMatchObject({ result: 'aborted' })
    expect(receiver.received).toHaveLength(0)
    receiver.otherwise = hang
    const abort = new AbortController()
    const outcome = deliver({ signal: abort.signal })
    await receiver.count(1)
    abort.abort()
    expect(await outcome).toMatchObject({ result: 'aborted' })
  })

  test('uses the connections of the ones before', async () => {
    for (let i = 0; i < 20; i++) await deliver()
    expect(receiver.received).toHaveLength(20)
    expect(receiver.connections).toBeLessThanOrEqual(2)
  })

  test('over a kept connection that the other side has closed meanwhile goes over a new one', async () => {
    receiver.script.push({ status: 200, headers: { connection: 'close' } })
    expect(await deliver()).toMatchObject({ result: 'delivered' })
    expect(await deliver()).toMatchObject({ result: 'delivered' })
    expect(receiver.connections).toBe(2)
  })

  test('leaves no listener on the signal', async () => {
    const abort = new AbortController()
    let listeners = 0
    const add = abort.signal.addEventListener.bind(abort.signal)
    const remove = abort.signal.removeEventListener.bind(abort.signal)
    abort.signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++
      add(...args)
    }
    abort.signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--
      remove(...args)
    }
    for (let i = 0; i < 5; i++) await deliver({ signal: abort.signal })
    expect(listeners).toBe(0)
  })
})
