import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AlertConfig } from '../../schemas/alert.ts'
import { Config } from '../../schemas/config.ts'
import { startAlerts } from '../../src/alerts/alerts.ts'
import { keyOf } from '../../src/alerts/send-notices.ts'
import { createSigner } from '../../src/lib/sign.ts'
import type { AttemptRow } from '../../src/store/port/deliveries.ts'
import type { Store } from '../../src/store/store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { attemptRow, leaseOf, remember } from '../contract/store/world.ts'
import { endpointRow } from '../helpers/endpoint-row.ts'
import { eventRecord } from '../helpers/event-records.ts'
import { type MemoryClock, memoryClock } from '../helpers/memory-clock.ts'
import { recordingLog } from '../helpers/quiet.ts'
import { createReceiver, hang, type Receiver } from '../helpers/receiver.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** Alerts on a real store, sent to a real receiver; the clock is driven. */

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const TICK = 5_000
const MINUTE = 60_000

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let clock: MemoryClock
let store: Store
let receiver: Receiver
const closing: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  folder = await temporaryFolder()
  clock = memoryClock()
  store = await openTestSqlite({ folder: folder.path, clock })
  receiver = await createReceiver()
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await receiver.close()
  await store.close()
  await folder.remove()
})

interface Options {
  readonly owner?: string
  readonly alert?: object
  readonly network?: object
}

function start({ owner = 'one', alert = {}, network = { allow: ['127.0.0.0/8'] } }: Options = {}) {
  const shop = { id: 'shop', vendor: 'kakaclo', baseUrl: 'https://kk.example', token: 't' }
  const config = Config.parse({ connections: [shop], alerts: [{ url: receiver.url, ...alert }], network })
  const { log, lines } = recordingLog()
  const metrics = createMetrics()
  const publicUrls = ['https://orders.example']
  const stop = startAlerts({ config, store, roles: new Set(['dispatch']), publicUrls, owner, clock, log, metrics })
  closing.push(stop)
  const count = async (outcome: string) =>
    (await metrics.alerts.get()).values.filter(({ labels }) => labels.outcome === outcome).length
  return { stop, lines, count }
}

const key = () => keyOf({ url: receiver.url })
/** What waits, due or not. */
const waiting = () => store.alerts.due(key(), Number.MAX_SAFE_INTEGER, 100)
const sent = () => receiver.received.map(({ body }) => JSON.parse(body))
const types = () => sent().map(({ type }) => type.replace('orderwire.alert.', ''))

/** Lets time pass in steps, so that every evaluation takes place. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += TICK) await clock.advance(TICK)
}

/** Lets time pass until so many notices came; then until the store knows. */
async function received(count: number, withinMs = 2 * MINUTE): Promise<void> {
  for (let passed = 0; passed < withinMs && receiver.received.length < count; passed += TICK) {
    await clock.advance(TICK)
    await until('a request that is under way comes', async () => {
      const due = await store.alerts.due(key(), clock.now(), 1)
      return due.length === 0 || receiver.received.length >= count
    })
  }
  expect(receiver.received).toHaveLength(count)
  await until('what was sent is settled', async () => (await store.alerts.due(key(), clock.now(), 1)).length === 0)
}

const attempt = (orderId: string, own: Partial<AttemptRow> = {}) =>
  attemptRow(eventRecord({ orderId }), {
    ...{ at: clock.now(), outcome: 'retry', statusCode: 500, error: 'answered 500', response: 'database is down' },
    ...own,
  })

/** An endpoint fails often enough for its circuit to open now, and goes on failing. */
async function failEndpoint(): Promise<void> {
  if (!(await store.endpoints.get('billing'))) await store.endpoints.insert(endpointRow({ id: 'billing' }))
  for (let second = 0; second < 10; second++) {
    await store.deliveries.record([attempt(`o${second % 3}`, { at: clock.now() + second * 1_000 })])
  }
  await pass(10_000)
}
const probe = () => store.deliveries.record([attempt('o1')])
const recover = () => store.deliveries.record([attempt('o1', { outcome: 'delivered', statusCode: 200, error: null })])

async function giveUp(orderId: string): Promise<void> {
  const event = eventRecord({ orderId })
  await remember(store, [event])
  const { id: eventId, orderKey } = event
  const letter = { destination: 'mail', orderKey, eventId, attempts: 1, lastError: 'mailbox full', hold: false }
  await store.lanes.deadLetter({ ...letter, at: clock.now() })
}

describe('an endpoint that fails', () => {
  test('is announced when its circuit is open for 5 minutes, signed, and announced as recovered when it works', async () => {
    start({ alert: { secret: SECRET } })
    await failEndpoint()
    await pass(4 * MINUTE)
    await probe()
    await pass(40_000)
    expect(receiver.received).toEqual([])
    await received(1, MINUTE)
    const [first] = receiver.received
    const { headers = {}, body = '' } = first ?? {}
    const id = String(headers['webhook-id'])
    expect(JSON.parse(body)).toMatchObject({
      id,
      type: 'orderwire.alert.endpoint.failing',
      data: { endpoint: 'billing', reason: 'answered 500: database is down', console: 'https://orders.example' },
    })
    const seconds = Number(headers['webhook-timestamp'])
    expect(headers['webhook-signature']).toBe(createSigner([SECRET])(id, seconds, body))
    expect(headers['content-type']).toBe('application/cloudevents+json; charset=utf-8')

    await pass(10 * MINUTE)
    await probe()
    await pass(MINUTE)
    await recover()
    await received(2)
    expect(types()).toEqual(['endpoint.failing', 'endpoint.recovered'])
    await pass(10 * MINUTE)
    expect(receiver.received).toHaveLength(2)
  })

  test('and works again before 5 minutes are over is not announced', async () => {
    start()
    await failEndpoint()
    await pass(4 * MINUTE)
    await recover()
    await pass(20 * MINUTE)
    expect(receiver.received).toEqual([])
  })

  test('and is disabled is announced at once, with its reason', async () => {
    start()
    await store.endpoints.insert(endpointRow())
    await pass(TICK)
    const patch = { state: 'disabled', stateReason: 'the endpoint answered 410 Gone', updatedAt: clock.now() } as const
    await store.endpoints.update('billing', patch)
    await received(1)
    expect(sent()[0]).toMatchObject({
      type: 'orderwire.alert.endpoint.disabled',
      data: { reason: 'the endpoint answered 410 Gone' },
    })
  })
})

test('a connection that stops, and one whose events the log refuses, are announced with the words stored', async () => {
  await store.connections.configure([{ id: 'shop', vendor: 'kakaclo', fingerprint: 'f' }])
  const lease = await leaseOf(store, 'connection/shop')
  start()
  await pass(TICK)
  const polled = { nextPollAt: clock.now() + 15 * MINUTE, lastError: 'The vendor refused the token (401).' }
  await store.connections.update(lease, 'shop', { ...polled, state: 'stopped' })
  await received(1)
  expect(sent()[0]).toMatchObject({
    type: 'orderwire.alert.connection.stopped',
    subject: 'connection/shop',
    data: { reason: 'The vendor refused the token (401).' },
  })
  await store.connections.update(lease, 'shop', { refused: 'Order 7 waits: it is too large.' })
  await received(2)
  expect(sent()[1]).toMatchObject({
    type: 'orderwire.alert.publishing.refused',
    data: { reason: 'Order 7 waits: it is too large.' },
  })
  await store.connections.update(lease, 'shop', { state: 'ok', refused: null, lastSuccessAt: clock.now() })
  await received(3)
  expect(types()[2]).toBe('connection.recovered')
})

test('dead letters are announced at most once in 10 minutes, with their count', async () => {
  start()
  await pass(TICK)
  await giveUp('a')
  await received(1)
  await giveUp('b')
  await giveUp('c')
  await pass(9 * MINUTE)
  expect(receiver.received).toHaveLength(1)
  await received(2, 2 * MINUTE)
  expect(sent().map(({ data }) => [data.destination, data.count, data.reason])).toEqual([
    ['mail', 1, 'mailbox full'],
    ['mail', 2, 'mailbox full'],
  ])
})

test('two processes send one notice, and the one that takes over repeats nothing', async () => {
  const one = start({ owner: 'one' })
  start({ owner: 'two' })
  await failEndpoint()
  await pass(4 * MINUTE)
  await probe()
  await received(1, 2 * MINUTE)
  await pass(MINUTE)
  const stopped = one.stop()
  await pass(MINUTE)
  await stopped
  expect(receiver.received).toHaveLength(1)
  await recover()
  await received(2)
  expect(types()).toEqual(['endpoint.failing', 'endpoint.recovered'])
})

test('a receiver that is down for a while gets its notice when it is back, and later ones of the subject behind it', async () => {
  const { count } = start()
  receiver.otherwise = 503
  await pass(TICK)
  await store.endpoints.insert(endpointRow({ state: 'disabled', updatedAt: clock.now() }))
  await received(1)
  await received(2)
  await store.endpoints.update('billing', { state: 'active', updatedAt: clock.now() })
  await pass(TICK)
  await recover()
  await received(3)
  receiver.otherwise = 204
  await received(5, 10 * MINUTE)
  expect(types()).toEqual([...Array(4).fill('endpoint.disabled'), 'endpoint.recovered'])
  expect(new Set(sent().map(({ id }) => id)).size).toBe(2)
  expect(await waiting()).toEqual([])
  expect(await count('sent')).toBe(2)
})

test('a notice that cannot be sent for an hour is dropped with a warning that does not show the URL', async () => {
  receiver.otherwise = 500
  const { lines } = start({ alert: { url: `${receiver.url}/T0SECRET` } })
  const due = (now: number) => store.alerts.due(keyOf({ url: `${receiver.url}/T0SECRET` }), now, 9)
  await pass(TICK)
  await store.endpoints.insert(endpointRow({ state: 'disabled', updatedAt: clock.now() }))
  const dropped = () => lines.some(({ msg }) => msg.includes('is dropped'))
  const begun = clock.now()
  while (!dropped() && clock.now() - begun < 70 * MINUTE) {
    await clock.advance(TICK)
    await until('the attempt is over', async () => (await due(clock.now())).length === 0)
  }
  expect(dropped()).toBe(true)
  expect(clock.now() - begun).toBeGreaterThan(50 * MINUTE)
  expect(receiver.received.length).toBeGreaterThan(10)
  expect(await due(Number.MAX_SAFE_INTEGER)).toEqual([])
  expect(JSON.stringify(lines)).not.toContain('T0SECRET')
})

test('a receiver that hangs delays neither other receivers nor the evaluation', async () => {
  const slow = await createReceiver()
  closing.push(() => slow.close())
  slow.otherwise = hang
  const config = Config.parse({
    alerts: [{ url: slow.url }, { url: receiver.url }],
    network: { allow: ['127.0.0.0/8'] },
  })
  const { log } = recordingLog()
  closing.push(
    startAlerts({
      ...{ config, store, roles: new Set(['ingest']), publicUrls: [], owner: 'one', clock, log },
      metrics: createMetrics(),
    }),
  )
  await pass(TICK)
  await store.endpoints.insert(endpointRow({ state: 'disabled', updatedAt: clock.now() }))
  await received(1)
  await store.endpoints.insert(endpointRow({ id: 'other', state: 'disabled', updatedAt: clock.now() }))
  await received(2)
  expect(slow.received).toHaveLength(1)
})

test('Slack gets a text with a link to the console', async () => {
  start({ alert: { format: 'slack' } })
  await pass(TICK)
  await store.endpoints.insert(endpointRow({ state: 'disabled', stateReason: '<!here>', updatedAt: clock.now() }))
  await received(1)
  const [{ text }] = sent()
  expect(text).toMatch(
    /^Endpoint billing is disabled since .*: &lt;!here&gt;\. .* <https:\/\/orders\.example\|Open the console>$/,
  )
  expect(receiver.received[0]?.headers['content-type']).toBe('application/json; charset=utf-8')
})

test('an address that is not public is not reached without `network.allow`, and the log says so', async () => {
  const { lines } = start({ network: {} })
  await pass(TICK)
  await store.endpoints.insert(endpointRow({ state: 'disabled', updatedAt: clock.now() }))
  await pass(MINUTE)
  expect(receiver.received).toEqual([])
  expect(lines.find(({ msg }) => msg.startsWith('no notice can be sent'))?.msg).toContain('network.allow')
  expect(await waiting()).toHaveLength(1)
})

test('a process that neither polls nor delivers takes no lease', async () => {
  const config = Config.parse({ alerts: [AlertConfig.parse({ url: receiver.url })] })
  const { log } = recordingLog()
  const parts = { store, publicUrls: [], owner: 'api', clock, log, metrics: createMetrics() }
  closing.push(startAlerts({ ...parts, config, roles: new Set(['api']) }))
  await pass(TICK)
  expect(await store.leases.acquire('alerts', 'other', 1_000, clock.now())).not.toBeNull()
})
