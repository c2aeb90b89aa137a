import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createGuard } from '../../../src/destinations/webhooks/egress.ts'
import { createSender, type Sender } from '../../../src/destinations/webhooks/send.ts'
import { createEndpoints } from '../../../src/destinations/webhooks/webhooks.ts'
import type { DispatchControl } from '../../../src/dispatch/dispatch-control.ts'
import { createDispatcher, type Dispatcher } from '../../../src/dispatch/dispatcher.ts'
import { createEmbeddedLog } from '../../../src/event-log/embedded.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { createSecretBox, newSecret } from '../../../src/lib/secret-box.ts'
import type { EventRecord } from '../../../src/order/event-record.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { type Harness, NOW, openHarness } from '../../api/harness.ts'
import { type MemoryClock, memoryClock } from '../../helpers/memory-clock.ts'
import { recordingLog } from '../../helpers/quiet.ts'
import { type Answer, createReceiver, type Receiver } from '../../helpers/receiver.ts'
import { until } from '../../helpers/until.ts'

/** An endpoint that is given up or asks for rest, from its first failure to its last event: API, dispatcher, store and HTTP as in the program, days by the clock. */

const [STEP, HOUR, DAY] = [600_000, 3_600_000, 86_400_000]

let clock: MemoryClock
let api: Harness
let receiver: Receiver
let sender: Sender
let dispatcher: Dispatcher
let restart: () => Promise<void>
let inFlight: number
let publish: (events: readonly EventRecord[]) => Promise<void>
const { log, lines } = recordingLog()
beforeEach(async () => {
  lines.length = 0
  inFlight = 0
  clock = memoryClock(NOW)
  receiver = await createReceiver()
  sender = createSender({ guard: createGuard({ allow: ['127.0.0.0/8'] }), clock })
  const counted: Sender = {
    ...sender,
    async send(request) {
      inFlight++
      return sender.send(request).finally(() => inFlight--)
    },
  }
  const metrics = createMetrics()
  const box = createSecretBox(Buffer.alloc(32, 7))
  const dispatch: DispatchControl = {
    refresh: () => dispatcher.refresh(),
    wake: () => dispatcher.wake(),
    test: row => dispatcher.test(row),
    replay: (id, filter) => dispatcher.replay(id, filter),
    destinations: () => dispatcher.destinations(),
    health: () => dispatcher.health(),
  }
  api = await openHarness({ clock, metrics, log, newSecret, secretBox: box, checkUrl: () => null, dispatch })
  const { store } = api
  const endpoints = createEndpoints({
    endpoints: store.endpoints,
    deliveries: store.deliveries,
    // Longer than a step of the clock, so that an answer is waited for.
    delivery: { timeout: HOUR, retries: Array.from({ length: 50 }, () => 4 * HOUR) },
    box,
    sender: counted,
    clock,
    log,
    version: '1',
  })
  const embedded = createEmbeddedLog({ store, clock: systemClock() })
  let taken = 0
  const eventLog: typeof embedded = {
    ...embedded,
    consume: consumer =>
      embedded.consume({
        ...consumer,
        async onBatch(partition, entries) {
          await consumer.onBatch(partition, entries)
          taken += entries.length
        },
      }),
  }
  publish = async events => {
    const all = taken + events.length
    await embedded.append(events)
    await until('they are taken in', () => taken === all)
  }
  const start = async () => {
    dispatcher = createDispatcher({
      store,
      eventLog,
      clock,
      log,
      metrics,
      group: 'dispatch',
      destinations: endpoints.load,
      disable: endpoints.disable,
      test: endpoints.test,
      tickMs: DAY,
    })
    await dispatcher.start()
  }
  restart = async () => {
    await stop()
    await start()
  }
  await start()
})
async function stop(): Promise<void> {
  const stopped = dispatcher.stop(1_000)
  await clock.advance(60_000)
  await stopped
}
afterEach(async () => {
  await stop()
  await sender.close()
  await receiver.close()
  await api.close()
})

/** Lets time pass until the condition holds; only while nothing is on its way over the real network. */
async function passes(condition: () => boolean, withinMs: number): Promise<void> {
  const end = clock.now() + withinMs
  for (;;) {
    await until('the network is quiet', () => inFlight === 0)
    if (condition()) return
    if (clock.now() > end) throw new Error(`not within ${withinMs} ms: ${condition}`)
    await clock.advance(STEP)
  }
}

const happens = async (...orders: string[]): Promise<EventRecord[]> => {
  const events: EventRecord[] = []
  for (const order of orders) events.push(...(await api.seed('shop', order)))
  await publish(events)
  return events
}
const endpoint = async () => (await api.call('GET', '/v1/endpoints/hook')).body
const destination = async () => (await api.call('GET', '/v1/destinations')).body.data[0]
const acknowledged = () => receiver.received.map(({ headers }) => headers['webhook-id'])

describe('an endpoint that fails for five days', () => {
  test('is disabled, which endpoint, log and metrics say; resumed it gets all there was and all that came since, in order', async () => {
    receiver.otherwise = 500
    await api.call('POST', '/v1/endpoints', { body: { id: 'hook', url: receiver.url } })
    const failed = await happens('a', 'b')
    await passes(() => receiver.received.length >= 2, DAY)
    expect(await endpoint()).toMatchObject({ state: 'active', stateReason: null })
    await passes(() => clock.now() >= NOW + 4.9 * DAY, 5 * DAY)
    expect(disabled()).toBe(false)
    await passes(disabled, DAY)
    expect(clock.now()).toBeGreaterThanOrEqual(NOW + 5 * DAY)
    await until('the store knows', async () => (await endpoint()).state === 'disabled')

    expect(await endpoint()).toMatchObject({ stateReason: 'every delivery failed for 5 days' })
    expect(await destination()).toMatchObject({ state: 'disabled', backlog: failed.length, deadLetters: 0 })
    expect(lines.find(({ msg }) => msg.startsWith('endpoint disabled'))).toMatchObject({
      level: 50,
      destination: 'hook',
      reason: 'every delivery failed for 5 days',
    })
    const metrics = (await api.call('GET', '/metrics')).text
    expect(metrics).toMatch(new RegExp(`^orderwire_backlog{destination="hook"} ${failed.length}$`, 'm'))
    expect(metrics).toMatch(/^orderwire_backlog_oldest_seconds{destination="hook"} 4[34]\d{4}$/m)

    const sent = receiver.received.length
    const later = await happens('c', 'd')
    await passes(() => clock.now() >= NOW + 7 * DAY, 3 * DAY)
    expect(receiver.received).toHaveLength(sent)

    receiver.otherwise = 204
    receiver.received.length = 0
    const { status, body } = await api.call('POST', '/v1/destinations/hook/resume')
    expect([status, body]).toMatchObject([200, { state: 'active', waiting: 8 }])
    await passes(() => receiver.received.length >= 8, HOUR)
    for (const order of ['a', 'b', 'c', 'd']) {
      const wanted = [...failed, ...later].filter(({ orderId }) => orderId === order).map(({ id }) => id)
      expect(acknowledged().filter(id => wanted.includes(String(id)))).toEqual(wanted)
    }
    expect(acknowledged()).toHaveLength(8)
    expect(await destination()).toMatchObject({ state: 'active' })
  })
})

const disabled = () => lines.some(({ msg }) => msg.startsWith('endpoint disabled'))

test.each<[string, Answer]>([
  ['answers 500', 500],
  ['asks for rests', { status: 429, headers: { 'retry-after': '3600' } }],
])(
  '%s: five days are five days however often the program is started again, and begin anew when it is changed',
  async (_, answer) => {
    receiver.otherwise = answer
    await api.call('POST', '/v1/endpoints', { body: { id: 'hook', url: receiver.url } })
    await happens('a', 'b')
    for (let day = 1; day <= 2; day++) {
      await passes(() => clock.now() >= NOW + day * DAY, 2 * DAY)
      await restart()
    }
    await api.call('PATCH', '/v1/endpoints/hook', { body: { description: 'mended, they say' } })
    const changed = clock.now()
    for (let day = 1; day <= 4; day++) {
      await passes(() => clock.now() >= changed + day * DAY, 2 * DAY)
      await restart()
    }
    expect(disabled()).toBe(false)
    await passes(disabled, 2 * DAY)
    expect(clock.now() - changed).toBeGreaterThanOrEqual(5 * DAY)
    await until('the store knows', async () => (await endpoint()).state === 'disabled')
  },
)

describe('an endpoint that asks for rest', () => {
  /** It has answered the first of its events with 429; now it would take all. */
  async function asked(retryAfter: number) {
    receiver.script.push({ status: 429, headers: { 'retry-after': String(retryAfter) } })
    const delivery = { retries: ['5s', '5s'] }
    await api.call('POST', '/v1/endpoints', { body: { id: 'hook', url: receiver.url, delivery } })
    const end = new Date(NOW + retryAfter * 1000).toISOString()
    await happens('a')
    await until('the store knows', async () => (await endpoint()).health.restingUntil === end)
    return end
  }

  test('has it, across a restart, with all its events; endpoint, destination and delivery say until when', async () => {
    const restingUntil = await asked(3_000)
    await clock.advance(1_000)
    const first = async () => (await api.call('GET', '/v1/deliveries?status=waiting')).body.data.at(-1)
    expect(await first()).toMatchObject({ attempt: 1, nextAttemptAt: restingUntil })
    await restart()
    await happens('b')
    await passes(() => clock.now() >= NOW + 2_400_000, HOUR)
    expect(receiver.received).toHaveLength(1)
    expect(await endpoint()).toMatchObject({ state: 'active', health: { state: 'active', restingUntil } })
    expect(await destination()).toMatchObject({ restingUntil })
    await passes(() => receiver.received.length >= 5, HOUR)
    expect(clock.now()).toBeGreaterThanOrEqual(Date.parse(restingUntil))
    expect(await destination()).toMatchObject({ restingUntil: null })
  })

  test.each([
    ['POST', '/v1/destinations/hook/resume', undefined],
    ['PATCH', '/v1/endpoints/hook', { description: 'mended, they say' }],
  ] as const)('has none any more when somebody says by %s %s that it works', async (method, path, body) => {
    await asked(3_000)
    await clock.advance(10_000)
    expect(receiver.received).toHaveLength(1)
    expect((await api.call(method, path, { body })).status).toBe(200)
    expect((await endpoint()).health).toMatchObject({ restingUntil: null })
    await until('both events of the order come', () => receiver.received.length >= 3)
    expect(clock.now()).toBe(NOW + 10_000)
  })

  test('keeps it when it is paused and its secret changed, until it is resumed', async () => {
    const restingUntil = await asked(3_000)
    await clock.advance(10_000)
    await api.call('POST', '/v1/endpoints/hook/rotate-secret')
    expect((await endpoint()).health).toMatchObject({ restingUntil })
    await api.call('POST', '/v1/destinations/hook/pause')
    expect((await endpoint()).health).toMatchObject({ restingUntil: null })
    await clock.advance(STEP)
    expect(receiver.received).toHaveLength(1)
    await api.call('POST', '/v1/destinations/hook/resume')
    await until('both events of the order come', () => receiver.received.length >= 3)
  })
})

describe('an endpoint that answers 410', () => {
  test('is disabled at once, and what waits goes when it is resumed', async () => {
    receiver.otherwise = 410
    await api.call('POST', '/v1/endpoints', { body: { id: 'hook', url: receiver.url } })
    const events = await happens('a')
    await until('it is disabled', async () => (await endpoint()).state === 'disabled')
    expect(await endpoint()).toMatchObject({ stateReason: 'the endpoint answered 410 Gone' })
    expect(receiver.received).toHaveLength(1)
    receiver.otherwise = 204
    receiver.received.length = 0
    await clock.advance(1_000)
    expect((await api.call('POST', '/v1/destinations/hook/resume')).body).toMatchObject({ state: 'active', waiting: 2 })
    await passes(() => receiver.received.length >= 2, HOUR)
    expect(acknowledged()).toEqual(events.map(({ id }) => id))
  })
})
