import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Harness, NOW, openHarness } from '../harness.ts'

let api: Harness
beforeEach(async () => {
  api = await openHarness()
  await api.call('POST', '/v1/endpoints', { body: { id: 'hook', url: 'https://hooks.example.com/in' } })
  api.parts.asked.length = 0
})
afterEach(() => api.close())

const act = (id: string, action: string, body?: unknown) =>
  api.call('POST', `/v1/destinations/${id}/${action}`, body === undefined ? {} : { body })

async function shown(id: string) {
  const { body } = await api.call('GET', '/v1/destinations')
  return body.data.find((one: { id: string }) => one.id === id)
}

/** An event that waits for a destination until an hour from now. */
async function waiting(destination: string) {
  const [event] = await api.seed('shop', `order-for-${destination}`)
  if (!event) throw new Error('there is an event')
  await api.store.lanes.spill([{ destination, event, origin: 'live' as const }], {
    nextAt: NOW + 3_600_000,
    attempt: 2,
  })
  return event
}

describe.each([
  ['handler', 'audit'],
  ['endpoint', 'hook'],
])('a %s', (_, id) => {
  test('is paused and resumed, durably, and says how much has waited', async () => {
    await waiting(id)
    expect(await act(id, 'pause')).toMatchObject({ status: 200, body: { id, state: 'paused', backlog: 1 } })
    expect(await act(id, 'pause')).toMatchObject({ status: 200, body: { id, state: 'paused' } })
    expect(await shown(id)).toMatchObject({ state: 'paused', nextAttemptAt: null })
    const elsewhere = await openHarness({ store: api.store, dispatch: null, handlers: ['audit'] })
    const { body } = await elsewhere.call('GET', '/v1/destinations')
    expect(body.data).toContainEqual(expect.objectContaining({ id, state: 'paused' }))
    expect(await act(id, 'resume')).toMatchObject({ status: 200, body: { id, state: 'active', waiting: 1 } })
    expect(await shown(id)).toMatchObject({ state: 'active' })
    expect(api.parts.asked).toEqual(['refresh', 'refresh', 'refresh', 'wake dispatch'])
    await elsewhere.close().catch(() => {})
  })

  test('has what waits tried at once by a retry, its attempts kept', async () => {
    await waiting(id)
    expect((await shown(id)).nextAttemptAt).toBe(new Date(NOW + 3_600_000).toISOString())
    expect(await act(id, 'retry')).toMatchObject({ status: 202, body: { waiting: 1 } })
    expect((await shown(id)).nextAttemptAt).toBe(new Date(NOW).toISOString())
    expect(api.parts.asked).toEqual(['refresh', 'wake dispatch'])
    await act(id, 'pause')
    expect(await act(id, 'retry')).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('resume it') },
    })
  })

  test('gets the past again', async () => {
    await api.seed('shop', '1')
    expect(await act(id, 'replay', { order: '1' })).toMatchObject({ status: 202, body: { queued: 2 } })
  })

  test('says why and since when it fails, and when it last succeeded', async () => {
    const event = await waiting(id)
    expect(await shown(id)).toMatchObject({ lastError: null, failingSince: null, lastSuccessAt: null })
    const attempt = {
      destination: id,
      eventId: event.id,
      orderKey: event.orderKey,
      statusCode: null,
      ms: 5,
      response: null,
      origin: 'live' as const,
    }
    await api.store.deliveries.record([
      { ...attempt, attempt: 1, at: NOW - 3_000, outcome: 'delivered', error: null },
      { ...attempt, attempt: 1, at: NOW - 2_000, outcome: 'retry', error: 'first' },
      { ...attempt, attempt: 2, at: NOW - 1_000, outcome: 'retry', error: 'second' },
    ])
    expect(await shown(id)).toMatchObject({
      lastError: 'second',
      failingSince: new Date(NOW - 2_000).toISOString(),
      lastSuccessAt: new Date(NOW - 3_000).toISOString(),
    })
    await api.store.deliveries.record([{ ...attempt, attempt: 3, at: NOW, outcome: 'delivered', error: null }])
    expect(await shown(id)).toMatchObject({
      lastError: null,
      failingSince: null,
      lastSuccessAt: new Date(NOW).toISOString(),
    })
  })
})

describe('the preview of a replay', () => {
  test('says what would be delivered, and queues nothing', async () => {
    const own = await openHarness({ dispatch: null })
    const body = {
      id: 'hook',
      url: 'https://hooks.example.com/in',
      types: ['order.paid'],
      delivery: { rateLimit: '1/s' },
    }
    await own.call('POST', '/v1/endpoints', { body })
    const [paid] = await own.seed('shop', '1')
    await own.seed('shop', '2')
    await own.seed('kk', '3')
    if (!paid) throw new Error('there is an event')
    const attempt = { destination: 'hook', eventId: paid.id, orderKey: paid.orderKey, attempt: 1, at: NOW }
    const done = {
      outcome: 'delivered' as const,
      statusCode: 200,
      ms: 5,
      error: null,
      response: null,
      origin: 'live' as const,
    }
    await own.store.deliveries.record([
      { ...attempt, ...done },
      { ...attempt, ...done },
    ])
    const answer = await own.call('POST', '/v1/destinations/hook/replay?preview=true', { body: {} })
    expect(answer).toMatchObject({
      status: 200,
      body: { events: 3, orders: 3, alreadyDelivered: 1, estimatedSeconds: 3 },
    })
    const narrower = await own.call('POST', '/v1/destinations/hook/replay?preview=true', { body: { order: '2' } })
    expect(narrower.body).toMatchObject({ events: 1, orders: 1, alreadyDelivered: 0 })
    const none = await own.call('POST', '/v1/destinations/hook/replay?preview=true', {
      body: { types: ['order.shipped'] },
    })
    expect(none.body).toEqual({ events: 0, orders: 0, alreadyDelivered: 0, estimatedSeconds: 0 })
    expect(await own.store.replays.pending()).toEqual([])
    await own.close()
  })
})

describe('what is asked of destinations', () => {
  test.each(['pause', 'resume', 'retry', 'replay', 'replay?preview=true'])(
    '%s is 404 for one there is not',
    async action => {
      expect((await act('nowhere', action)).status).toBe(404)
    },
  )

  test.each(['pause?force=true', 'resume?x=1', 'retry?x=1', 'replay?previw=true', 'replay?preview=maybe'])(
    '%s is 400: nothing like that can be asked',
    async action => {
      expect((await act('hook', action)).status).toBe(400)
      expect(api.parts.asked).toEqual([])
    },
  )

  test.each(['pause', 'resume', 'enable', 'disable', 'replay', 'retry'])(
    'is asked under /v1/destinations only: POST /v1/endpoints/hook/%s is 404',
    async action => {
      expect((await api.call('POST', `/v1/endpoints/hook/${action}`)).status).toBe(404)
    },
  )
})
