import { once } from 'node:events'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createInbox, createReceiver, type Verdict, verify } from '../../examples/receiver/receiver.ts'
import { createGuard } from '../../src/destinations/webhooks/egress.ts'
import { createSender, type Sender } from '../../src/destinations/webhooks/send.ts'
import { createEndpoints, type Endpoints } from '../../src/destinations/webhooks/webhooks.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createSecretBox, newSecret } from '../../src/lib/secret-box.ts'
import { createSigner } from '../../src/lib/sign.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { EndpointRow } from '../../src/store/port/endpoints.ts'
import { endpointRow } from '../helpers/endpoint-row.ts'
import { eventsOf } from '../helpers/event-records.ts'
import { quietLog } from '../helpers/quiet.ts'
import { until } from '../helpers/until.ts'

const clock = systemClock()
const box = createSecretBox(new Uint8Array(32).fill(7))
const secret = newSecret()
const [first, second, third] = eventsOf('1001', 3) as [EventRecord, EventRecord, EventRecord]

describe('what the example verifies', () => {
  const now = Date.parse('2026-03-02T10:15:30Z')
  const body = Buffer.from('{"id":"evt_1","text":"ünï"}')
  const signed = (secrets: readonly string[], at = now) => {
    const timestamp = Math.floor(at / 1000)
    const signature = createSigner(secrets)('evt_1', timestamp, body.toString('utf8'))
    return { 'webhook-id': 'evt_1', 'webhook-timestamp': `${timestamp}`, 'webhook-signature': signature }
  }

  test('is what was signed, with the right secret', () => {
    expect(verify(signed([secret]), body, [secret], now)).toBe(true)
    expect(verify(signed([secret]), body, [newSecret()], now)).toBe(false)
  })

  test('is nothing as long as there is no secret', () => {
    const none = 'whsec_'
    for (const secrets of [[], [''], [none]]) expect(verify(signed([none]), body, secrets, now)).toBe(false)
  })

  test('is the very bytes, id and time that were signed', () => {
    const headers = signed([secret])
    expect(verify(headers, Buffer.from(body.toString('utf8').replace('1', '2')), [secret], now)).toBe(false)
    expect(verify({ ...headers, 'webhook-id': 'evt_2' }, body, [secret], now)).toBe(false)
    expect(verify({ ...headers, 'webhook-timestamp': `${now / 1000 + 1}` }, body, [secret], now)).toBe(false)
  })

  test('is not older, and not further ahead, than five minutes', () => {
    for (const seconds of [-300, 300])
      expect(verify(signed([secret], now + seconds * 1000), body, [secret], now)).toBe(true)
    for (const seconds of [-301, 301])
      expect(verify(signed([secret], now + seconds * 1000), body, [secret], now)).toBe(false)
  })

  test('is not what lacks a header, or has nonsense in one', () => {
    const headers = signed([secret])
    for (const name of Object.keys(headers)) {
      expect(verify({ ...headers, [name]: undefined }, body, [secret], now)).toBe(false)
      expect(verify({ ...headers, [name]: 'x' }, body, [secret], now)).toBe(false)
    }
  })

  test('is accepted with either secret while one is rotated, on either side', () => {
    const [current, former] = [newSecret(), secret]
    expect(verify(signed([current, former]), body, [former], now)).toBe(true)
    expect(verify(signed([current, former]), body, [current], now)).toBe(true)
    expect(verify(signed([former]), body, [current, former], now)).toBe(true)
    expect(verify(signed([current]), body, [former], now)).toBe(false)
  })

  test('is judged as the Standard Webhooks library judges it', () => {
    const other = newSecret()
    const at = Date.now()
    for (const [headers, bytes] of [
      [signed([secret], at), body],
      [signed([other, secret], at), body],
      [signed([other], at), body],
      [signed([secret], at), Buffer.from('{}')],
      [signed([secret], at - 400_000), body],
      [{ ...signed([secret], at), 'webhook-signature': `v2,${'A'.repeat(44)}` }, body],
    ] as const) {
      const judged = () => new Webhook(secret).verify(bytes.toString('utf8'), headers)
      if (verify(headers, bytes, [secret], at)) expect(judged).not.toThrow()
      else expect(judged).toThrow()
    }
  })
})

describe('the inbox of the example', () => {
  const take = (inbox: ReturnType<typeof createInbox>, event: EventRecord) => inbox.take(JSON.parse(event.body))

  test('takes the events of an order one after the other, each order for itself', () => {
    const inbox = createInbox()
    const [other] = eventsOf('1002', 1) as [EventRecord]
    expect([first, other, second, third].map(event => take(inbox, event))).toEqual(['new', 'new', 'new', 'new'])
  })

  test('knows a duplicate by its id, also one that comes much later', () => {
    const inbox = createInbox()
    expect([first, first, second, first].map(event => take(inbox, event))).toEqual([
      'new',
      'duplicate',
      'new',
      'duplicate',
    ])
  })

  test('says when events of an order are missing, and when one of them comes after all', () => {
    const inbox = createInbox()
    expect([first, third, second].map(event => take(inbox, event))).toEqual(['new', 'gap', 'late'])
    expect(take(createInbox(), second)).toBe('gap')
  })
})

describe('the receiver of the example, delivered to by orderwire', () => {
  let server: Server
  let sender: Sender
  let taken: [string, Verdict][]
  let failing = false

  beforeEach(async () => {
    taken = []
    failing = false
    const inbox = createInbox()
    server = createReceiver({
      secrets: [secret],
      inbox: {
        take(event) {
          if (failing) throw new Error('the database is away')
          return inbox.take(event)
        },
      },
      taken: (event, verdict) => taken.push([event.type === 'orderwire.test' ? event.type : event.id, verdict]),
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    sender = createSender({ guard: createGuard({ allow: ['127.0.0.0/8'] }), clock })
  })
  afterEach(async () => {
    await sender.close()
    server.closeAllConnections()
    server.close()
  })

  const port = () => (server.address() as AddressInfo).port
  const endpoint = (secrets: Partial<EndpointRow> = {}) =>
    endpointRow({ url: `http://127.0.0.1:${port()}/hooks`, secret: box.seal(secret), ...secrets })

  const endpoints = (row = endpoint()): Endpoints =>
    createEndpoints({
      deliveries: { failingSince: async () => null },
      endpoints: {
        list: async () => [row],
        get: async () => row,
        insert: async () => false,
        update: async () => false,
        rest: async () => {},
        remove: async () => false,
      },
      delivery: {},
      box,
      sender,
      clock,
      log: quietLog,
      version: '1.2.3',
    })

  async function deliver(event: EventRecord, { row, replay = false }: { row?: EndpointRow; replay?: boolean } = {}) {
    const [destination] = await endpoints(row).load()
    return destination?.deliver(event, { attempt: 1, replay, signal: new AbortController().signal })
  }

  test('acknowledges events, and hands each one on with what it is', async () => {
    for (const event of [first, first, third, second])
      expect(await deliver(event)).toMatchObject({ result: 'delivered', statusCode: 204 })
    expect(await deliver(second, { replay: true })).toMatchObject({ result: 'delivered' })
    await until('all are handed on', () => taken.length === 5)
    expect(taken).toEqual([
      [first.id, 'new'],
      [first.id, 'duplicate'],
      [third.id, 'gap'],
      [second.id, 'late'],
      [second.id, 'duplicate'],
    ])
  })

  test('refuses what is signed with another secret, and keeps nothing of it', async () => {
    expect(await deliver(first, { row: endpoint({ secret: box.seal(newSecret()) }) })).toMatchObject({
      result: 'retry',
      statusCode: 401,
    })
    expect(await deliver(first)).toMatchObject({ result: 'delivered' })
    await until('it is handed on', () => taken.length === 1)
    expect(taken).toEqual([[first.id, 'new']])
  })

  test('that still has the former secret goes on while the endpoint signs with both', async () => {
    const rotated = (until: number) =>
      endpoint({ secret: box.seal(newSecret()), formerSecrets: [{ secret: box.seal(secret), until }] })
    const during = rotated(clock.now() + 60_000)
    const after = rotated(clock.now() - 1)
    expect(await deliver(first, { row: during })).toMatchObject({ result: 'delivered' })
    expect(await deliver(second, { row: after })).toMatchObject({ result: 'retry', statusCode: 401 })
  })

  test('that could not keep an event gets it again, as new', async () => {
    failing = true
    expect(await deliver(first)).toMatchObject({ result: 'retry', statusCode: 500 })
    failing = false
    expect(await deliver(first)).toMatchObject({ result: 'delivered' })
    await until('it is handed on', () => taken.length === 1)
    expect(taken).toEqual([[first.id, 'new']])
  })

  test('takes a test delivery, which has no order', async () => {
    expect(await endpoints().test(endpoint())).toMatchObject({ statusCode: 204, error: null })
    await until('it is handed on', () => taken.length === 1)
    expect(taken).toEqual([['orderwire.test', 'new']])
  })

  test('refuses bodies over 1 MiB, and survives senders that hang up', async () => {
    const large = await fetch(`http://127.0.0.1:${port()}/`, { method: 'POST', body: 'x'.repeat(1_100_000) })
    expect(large.status).toBe(413)
    const socket = connect(port(), '127.0.0.1')
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf')
    await once(server, 'request')
    socket.destroy()
    expect(await deliver(first)).toMatchObject({ result: 'delivered' })
  })
})
