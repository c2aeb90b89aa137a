import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Config } from '../../../schemas/config.ts'
import { declareEndpoints } from '../../../src/destinations/webhooks/declared-endpoints.ts'
import { createGuard } from '../../../src/destinations/webhooks/egress.ts'
import { createSender, type Sender } from '../../../src/destinations/webhooks/send.ts'
import { createEndpoints } from '../../../src/destinations/webhooks/webhooks.ts'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { createSecretBox, newSecret } from '../../../src/lib/secret-box.ts'
import type { Store } from '../../../src/store/store.ts'
import { silent } from '../../dispatch/rig.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { createReceiver, type Receiver } from '../../helpers/receiver.ts'
import { shiftedClock } from '../../helpers/shifted-clock.ts'
import { openTestSqlite } from '../../helpers/sqlite.ts'

const clock = systemClock()
const guard = createGuard({ allow: ['127.0.0.0/8'] })
const key = Buffer.alloc(32, 7)
const context = { attempt: 1, replay: false, signal: new AbortController().signal }

let folder: string
let store: Store
let receiver: Receiver
let sender: Sender
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'endpoints-'))
  store = await openTestSqlite({ folder, clock })
  receiver = await createReceiver()
  sender = createSender({ guard, clock })
})
afterEach(async () => {
  await sender.close()
  await receiver.close()
  await store.close()
  await rm(folder, { recursive: true })
})

const SHOP = { id: 'shop', vendor: 'kakaclo', baseUrl: 'https://shop.example', token: 't' }

const declare = (endpoints: unknown[], box = createSecretBox(key)) =>
  declareEndpoints({
    declared: Config.parse({ connections: [SHOP], endpoints }).endpoints,
    endpoints: store.endpoints,
    shared: false,
    box,
    guard,
    clock,
    log: silent,
  })
const endpoints = (box = createSecretBox(key), time: Clock = clock) =>
  createEndpoints({
    endpoints: store.endpoints,
    deliveries: store.deliveries,
    delivery: { timeout: 2_000, concurrency: 4 },
    box,
    sender,
    clock: time,
    log: silent,
    version: '1',
  })
const only = async (box = createSecretBox(key)) => {
  const [destination] = await endpoints(box).load()
  if (!destination) throw new Error('there is no endpoint')
  return destination
}
const verifies = (secret: string, index = 0): boolean => {
  const request = receiver.received[index]
  try {
    new Webhook(secret).verify(request?.body ?? '', request?.headers as Record<string, string>)
    return true
  } catch {
    return false
  }
}

describe('an endpoint', () => {
  test('is a destination with its own options over the global ones', async () => {
    await declare([
      {
        id: 'billing',
        url: receiver.url,
        types: ['order.paid'],
        connections: ['shop'],
        delivery: { timeout: '3s', retries: ['1s'] },
      },
    ])
    const destination = await only()
    expect(destination).toMatchObject({ id: 'billing', kind: 'endpoint', state: 'active' })
    expect(destination.types).toEqual(new Set(['order.paid']))
    expect(destination.connections).toEqual(new Set(['shop']))
    expect(destination.delivery).toMatchObject({ timeout: 3_000, retries: [1_000], concurrency: 4 })
  })

  test('signs with its secret, and while that is rotated with the former one as well', async () => {
    const [first, second] = [newSecret(), newSecret()]
    const box = createSecretBox(key)
    await declare([{ id: 'a', url: receiver.url, secret: first }])
    await (await only()).deliver(eventRecord(), context)
    expect(verifies(first)).toBe(true)
    const rotate = (until: number) =>
      store.endpoints.update('a', { secret: box.seal(second), formerSecrets: [{ secret: box.seal(first), until }] })
    await rotate(clock.now() + 60_000)
    await (await only()).deliver(eventRecord(), context)
    expect([verifies(first, 1), verifies(second, 1)]).toEqual([true, true])
    await rotate(clock.now() - 1)
    await (await only()).deliver(eventRecord(), context)
    expect([verifies(first, 2), verifies(second, 2)]).toEqual([false, true])
  })

  test('stops signing with the former secret the moment its time is over, without being loaded again', async () => {
    const [first, second, third] = [newSecret(), newSecret(), newSecret()]
    const box = createSecretBox(key)
    const shifted = shiftedClock()
    await declare([{ id: 'a', url: receiver.url, secret: third }])
    const formerSecrets = [
      { secret: box.seal(second), until: shifted.now() + 60_000 },
      { secret: box.seal(first), until: shifted.now() + 30_000 },
    ]
    await store.endpoints.update('a', { formerSecrets })
    const [destination] = await endpoints(box, shifted).load()
    const signatures = () => String(receiver.received.at(-1)?.headers['webhook-signature']).split(' ')
    await destination?.deliver(eventRecord(), context)
    expect(signatures()).toHaveLength(3)
    expect([verifies(first), verifies(second), verifies(third)]).toEqual([true, true, true])
    shifted.shift(30_000)
    await destination?.deliver(eventRecord(), context)
    expect(signatures()).toHaveLength(2)
    expect([verifies(first, 1), verifies(second, 1), verifies(third, 1)]).toEqual([false, true, true])
    shifted.shift(30_000)
    await destination?.deliver(eventRecord(), context)
    expect(signatures()).toHaveLength(1)
    expect([verifies(first, 2), verifies(second, 2), verifies(third, 2)]).toEqual([false, false, true])
  })

  test('whose secret cannot be decrypted fails with the reason, and harms no other', async () => {
    await declare([
      { id: 'a', url: receiver.url },
      { id: 'b', url: receiver.url },
    ])
    await store.endpoints.update('a', { secret: createSecretBox(Buffer.alloc(32, 9)).seal('whsec_x') })
    const [a, b] = await endpoints().load()
    expect(await a?.deliver(eventRecord(), context)).toMatchObject({
      result: 'retry',
      error: expect.stringContaining('ORDERWIRE_SECRET_KEY'),
    })
    expect(await b?.deliver(eventRecord(), context)).toMatchObject({ result: 'delivered' })
  })

  test('whose former secret cannot be decrypted signs with the current one alone', async () => {
    const [first, second] = [newSecret(), newSecret()]
    await declare([{ id: 'a', url: receiver.url, secret: second }])
    await store.endpoints.update('a', {
      formerSecrets: [{ secret: createSecretBox(Buffer.alloc(32, 9)).seal(first), until: clock.now() + 60_000 }],
    })
    expect(await (await only()).deliver(eventRecord(), context)).toMatchObject({ result: 'delivered' })
    expect([verifies(first), verifies(second)]).toEqual([false, true])
  })

  test('sends its own headers along, but never instead of ours, and takes their values out of the answer', async () => {
    const headers = { Authorization: 'Bearer open-sesame', cookie: 'a=1' }
    await declare([{ id: 'a', url: receiver.url, headers }])
    receiver.script.push({ status: 500, body: 'you sent Bearer open-sesame and a=1' })
    const outcome = await (await only()).deliver(eventRecord(), context)
    expect(receiver.received[0]?.headers).toMatchObject({ authorization: 'Bearer open-sesame', cookie: 'a=1' })
    expect(outcome.response).not.toContain('sesame')
    const row = await store.endpoints.get('a')
    expect(JSON.stringify(row)).not.toContain('sesame')
    await store.endpoints.update('a', { headers: { 'webhook-id': createSecretBox(key).seal('theirs') } })
    await (await only()).deliver(eventRecord(), context)
    expect(receiver.received[1]?.headers['webhook-id']).toBe(eventRecord().id)
  })

  test('whose headers cannot be decrypted fails and says what to do', async () => {
    await declare([{ id: 'a', url: receiver.url, headers: { 'x-key': 'value' } }])
    await store.endpoints.update('a', { headers: { 'x-key': createSecretBox(Buffer.alloc(32, 9)).seal('value') } })
    expect(await (await only()).deliver(eventRecord(), context)).toMatchObject({
      result: 'retry',
      error: expect.stringContaining('give the endpoint its headers again'),
    })
  })

  test('keeps its secret encrypted in the store', async () => {
    const secret = newSecret()
    await declare([{ id: 'a', url: receiver.url, secret }])
    const row = await store.endpoints.get('a')
    expect(row?.secret).not.toContain(secret.slice(6))
  })

  test('that is disabled says why', async () => {
    await declare([{ id: 'a', url: receiver.url }])
    await endpoints().disable('a', 'answered 410 Gone')
    expect(await store.endpoints.get('a')).toMatchObject({ state: 'disabled', stateReason: 'answered 410 Gone' })
    expect(await only()).toMatchObject({ state: 'disabled' })
  })

  test('is tested with a signed event of a type of its own', async () => {
    const secret = newSecret()
    await declare([{ id: 'a', url: receiver.url, secret }])
    const row = await store.endpoints.get('a')
    if (!row) throw new Error('there is no endpoint')
    receiver.script.push(204, 500)
    const tested = endpoints()
    expect(await tested.test(row)).toMatchObject({ statusCode: 204, ms: expect.any(Number), error: null })
    expect(await tested.test(row)).toMatchObject({ statusCode: 500, error: 'answered 500' })
    expect(await tested.test({ ...row, url: 'http://10.0.0.1/' })).toMatchObject({
      statusCode: null,
      error: expect.stringContaining('network.allow'),
    })
    expect(verifies(secret)).toBe(true)
    const body = JSON.parse(receiver.received[0]?.body ?? '')
    expect(body).toMatchObject({
      specversion: '1.0',
      type: 'orderwire.test',
      id: receiver.received[0]?.headers['webhook-id'],
    })
    expect(await store.events.last()).toBe(0)
  })
})

describe('declared endpoints', () => {
  const state = async () =>
    Object.fromEntries((await store.endpoints.list()).map(row => [row.id, [row.declared, row.state]]))

  test('are made at the first start, changed at the next, and keep what people did to them', async () => {
    await declare([{ id: 'a', url: receiver.url }])
    const before = await store.endpoints.get('a')
    await store.endpoints.update('a', { state: 'paused', stateReason: 'Paused by request.' })
    await declare([{ id: 'a', url: `${receiver.url}/new`, description: 'new' }])
    expect(await store.endpoints.get('a')).toMatchObject({
      url: `${receiver.url}/new`,
      description: 'new',
      state: 'paused',
      declared: true,
      secret: before?.secret,
      createdAt: before?.createdAt,
    })
  })

  test('that vanish from the configuration are disabled and kept, and go on when declared again', async () => {
    await declare([
      { id: 'a', url: receiver.url },
      { id: 'b', url: receiver.url },
    ])
    await declare([{ id: 'b', url: receiver.url }])
    expect(await state()).toEqual({ a: [false, 'disabled'], b: [true, 'active'] })
    await declare([
      { id: 'a', url: receiver.url },
      { id: 'b', url: receiver.url },
    ])
    expect(await state()).toEqual({ a: [true, 'active'], b: [true, 'active'] })
  })

  test.each([
    ['paused', 'Paused by request.'],
    ['disabled', 'the endpoint answered 410 Gone'],
    ['paused', null],
  ] as const)('that were %s (%s) before they vanished are so again when declared again', async (held, stateReason) => {
    const declared = [{ id: 'a', url: receiver.url }]
    await declare(declared)
    await store.endpoints.update('a', { state: held, stateReason })
    for (let times = 0; times < 2; times++) {
      await declare([])
      expect(await store.endpoints.get('a')).toMatchObject({
        declared: false,
        state: 'disabled',
        stateReason: expect.stringContaining(`no longer in the configuration; it was ${held}`),
      })
      await declare([])
      await declare(declared)
      expect(await store.endpoints.get('a')).toMatchObject({ declared: true, state: held, stateReason })
    }
  })

  test('that somebody resumed or paused after they vanished stay as that person left them', async () => {
    const declared = ['a', 'b'].map(id => ({ id, url: receiver.url }))
    await declare(declared)
    await store.endpoints.update('a', { state: 'paused', stateReason: 'Paused by request.' })
    await declare([])
    await store.endpoints.update('a', { state: 'active', stateReason: null })
    await store.endpoints.update('b', { state: 'paused', stateReason: 'Paused by request.' })
    await declare(declared)
    expect(await state()).toEqual({ a: [true, 'active'], b: [true, 'paused'] })
  })

  test('that are changed in the configuration rest no longer', async () => {
    await declare([{ id: 'a', url: receiver.url }])
    const restUntil = clock.now() + 60_000
    await store.endpoints.rest('a', restUntil)
    await declare([{ id: 'a', url: receiver.url }])
    expect(await only()).toMatchObject({ restUntil })
    await declare([{ id: 'a', url: `${receiver.url}/new` }])
    expect(await only()).toMatchObject({ restUntil: null })
  })

  test('leave those alone that were made through the API, unless they have the same id', async () => {
    await declare([{ id: 'a', url: receiver.url }])
    const row = await store.endpoints.get('a')
    if (!row) throw new Error('there is no endpoint')
    await store.endpoints.insert({ ...row, id: 'mine', declared: false })
    await declare([{ id: 'a', url: receiver.url }])
    expect(await state()).toEqual({ a: [true, 'active'], mine: [false, 'active'] })
    await declare([{ id: 'mine', url: `${receiver.url}/taken` }])
    expect(await store.endpoints.get('mine')).toMatchObject({ declared: true, url: `${receiver.url}/taken` })
  })

  test('take over changed filters and headers, and seal headers anew only where they changed', async () => {
    const first = { id: 'a', url: receiver.url, filter: { 'data.connection': ['shop'] }, headers: { 'x-key': 'one' } }
    await declare([first])
    const before = await store.endpoints.get('a')
    await declare([first])
    expect(await store.endpoints.get('a')).toEqual(before)
    const [destination] = await endpoints().load()
    expect(destination?.matches?.({ data: { connection: 'shop' } })).toBe(true)
    expect(destination?.matches?.({ data: { connection: 'kk' } })).toBe(false)
    await declare([{ id: 'a', url: receiver.url, headers: { 'x-key': 'two' } }])
    const after = await store.endpoints.get('a')
    expect(after?.filter).toBeNull()
    expect(createSecretBox(key).open(after?.headers?.['x-key'] ?? '')).toBe('two')
    await declare([{ id: 'a', url: receiver.url }])
    expect((await store.endpoints.get('a'))?.headers).toBeNull()
  })

  test('with another secret sign with both for a while', async () => {
    const [first, second] = [newSecret(), newSecret()]
    await declare([{ id: 'a', url: receiver.url, secret: first }])
    await declare([{ id: 'a', url: receiver.url, secret: second }])
    await (await only()).deliver(eventRecord(), context)
    expect([verifies(first), verifies(second)]).toEqual([true, true])
    await declare([{ id: 'a', url: receiver.url, secret: second }])
    expect(await store.endpoints.get('a')).toMatchObject({ formerSecrets: [{ until: expect.any(Number) }] })
  })

  test('with an address that is not permitted are kept, and nothing is sent there', async () => {
    await declare([{ id: 'a', url: 'http://10.0.0.1/hook' }])
    expect(await (await only()).deliver(eventRecord(), context)).toMatchObject({
      result: 'retry',
      error: expect.stringContaining('network.allow'),
    })
  })
})
