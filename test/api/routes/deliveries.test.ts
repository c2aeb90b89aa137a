import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { EventRecord } from '../../../src/order/event-record.ts'
import { type Harness, NOW, openHarness } from '../harness.ts'

let api: Harness
let events: readonly EventRecord[]
beforeEach(async () => {
  api = await openHarness()
  await api.call('POST', '/v1/endpoints', { body: { id: 'a', url: 'https://hooks.example/' } })
  events = await api.seed('shop', '1')
  api.parts.asked.length = 0
})
afterEach(() => api.close())

/** The first event is given up for this destination, after one attempt. */
async function giveUp(destination: string, hold = false): Promise<EventRecord> {
  const [event] = events
  if (!event) throw new Error('no event was seeded')
  const lane = { destination, orderKey: event.orderKey }
  await api.store.lanes.spill([{ destination, event, origin: 'live' }], { nextAt: NOW, attempt: 1 })
  const attempt = {
    attempt: 1,
    at: NOW,
    outcome: 'dead',
    statusCode: 500,
    ms: 20,
    error: 'it answered 500',
    response: 'oops',
    origin: 'live',
  } as const
  await api.store.deliveries.record([{ destination, eventId: event.id, orderKey: event.orderKey, ...attempt }])
  await api.store.lanes.deadLetter({
    ...lane,
    eventId: event.id,
    at: NOW,
    attempts: 1,
    lastError: 'it answered 500',
    hold,
  })
  return event
}

describe('deliveries', () => {
  test('are listed with their attempts, exactly as promised', async () => {
    const event = await giveUp('a')
    const { status, body } = await api.call('GET', '/v1/deliveries')
    expect(status).toBe(200)
    expect(body).toEqual({
      data: [
        {
          id: `a:${event.id}`,
          destination: 'a',
          eventId: event.id,
          order: '1',
          status: 'dead',
          attempt: 1,
          nextAttemptAt: null,
          attempts: [
            {
              at: new Date(NOW).toISOString(),
              statusCode: 500,
              ms: 20,
              error: 'it answered 500',
              response: 'oops',
              origin: 'live',
            },
          ],
        },
      ],
      next: null,
    })
    expect((await api.call('GET', `/v1/deliveries/${encodeURIComponent(body.data[0].id)}`)).body).toEqual(body.data[0])
    expect((await api.call('GET', `/v1/deliveries/a:${event.id}`)).status).toBe(200)
  })

  test('are filtered by destination, event and status', async () => {
    const event = await giveUp('a')
    const count = async (query: string) => (await api.call('GET', `/v1/deliveries?${query}`)).body.data.length
    expect(await count('status=dead')).toBe(1)
    expect(await count('status=delivered')).toBe(0)
    expect(await count('destination=a')).toBe(1)
    expect(await count('destination=audit')).toBe(0)
    expect(await count(`event=${event.id}`)).toBe(1)
    expect(await count('event=evt_unknown')).toBe(0)
  })

  test('are filtered by event type, answer and time', async () => {
    await giveUp('a')
    const count = async (query: string) => (await api.call('GET', `/v1/deliveries?${query}`)).body.data.length
    const [before, at] = [NOW - 1, NOW].map(ms => new Date(ms).toISOString())
    expect(await count('type=order.paid')).toBe(1)
    expect(await count('type=order.shipped,order.paid')).toBe(1)
    expect(await count('type=order.shipped')).toBe(0)
    expect(await count('answer=5xx')).toBe(1)
    expect(await count('answer=4xx')).toBe(0)
    expect(await count('answer=none')).toBe(0)
    expect(await count(`since=${at}`)).toBe(1)
    expect(await count(`until=${at}`)).toBe(0)
    expect(await count(`since=${before}&until=${new Date(NOW + 1).toISOString()}`)).toBe(1)
  })

  test.each([
    'status=lost',
    'type=order.lost',
    'answer=6xx',
    'until=yesterday',
    'destination=nowhere',
    'destination=a%20b',
    'ordr=1',
    'limit=300',
    'after=x',
    'after=ZGVsaXZlcmllczp4',
    'event=',
  ])('refuse ?%s', async query => {
    expect((await api.call('GET', `/v1/deliveries?${query}`)).status).toBe(400)
  })

  test('page through many', async () => {
    const attempt = {
      attempt: 1,
      outcome: 'delivered',
      statusCode: 200,
      ms: 1,
      error: null,
      response: null,
      origin: 'live',
    } as const
    const rows = Array.from({ length: 7 }, (_, index) => ({
      destination: 'a',
      eventId: `evt_${index}`,
      orderKey: 'shop/1',
      at: NOW + index,
      ...attempt,
    }))
    await api.store.deliveries.record(rows)
    const seen: string[] = []
    let next: string | null = ''
    while (next !== null) {
      const { body } = await api.call('GET', `/v1/deliveries?limit=3${next && `&after=${next}`}`)
      seen.push(...body.data.map(({ eventId }: { eventId: string }) => eventId))
      next = body.next
    }
    expect(seen.toSorted()).toEqual(rows.map(({ eventId }) => eventId))
  })

  test.each(['nothing', 'a:evt_unknown', ':'])('an unknown one is 404: %s', async id => {
    expect((await api.call('GET', `/v1/deliveries/${id}`)).status).toBe(404)
  })
})

describe('dead letters', () => {
  test('are listed with the event itself', async () => {
    const event = await giveUp('a', true)
    const { status, text, body } = await api.call('GET', '/v1/dead-letters')
    expect(status).toBe(200)
    expect(body.data).toEqual([
      {
        id: expect.any(String),
        destination: 'a',
        event: JSON.parse(event.body),
        at: new Date(NOW).toISOString(),
        attempts: 1,
        lastError: 'it answered 500',
        holding: true,
      },
    ])
    expect(text).toContain(event.body)
    expect((await api.call('GET', '/v1/dead-letters?destination=audit')).body.data).toEqual([])
    expect((await api.call('GET', '/v1/dead-letters?destination=nowhere')).status).toBe(400)
  })

  test('one is redriven', async () => {
    await giveUp('a')
    const [letter] = (await api.call('GET', '/v1/dead-letters')).body.data
    const answer = await api.call('POST', `/v1/dead-letters/${encodeURIComponent(letter.id)}/redrive`)
    expect(answer).toMatchObject({ status: 202, body: { queued: 1 } })
    expect(api.parts.asked).toEqual(['wake dispatch'])
    expect((await api.call('GET', '/v1/dead-letters')).body.data).toEqual([])
    expect((await api.call('POST', `/v1/dead-letters/${encodeURIComponent(letter.id)}/redrive`)).status).toBe(404)
  })

  test('many are redriven: of a destination, of a type, of a time, or all', async () => {
    await giveUp('a')
    await giveUp('audit')
    const redrive = async (body: unknown) => (await api.call('POST', '/v1/dead-letters/redrive', { body })).body.queued
    expect(await redrive({ type: 'order.cancelled' })).toBe(0)
    expect(await redrive({ type: ['order.cancelled', 'order.refunded'] })).toBe(0)
    expect(await redrive({ until: '2020-01-01T00:00:00Z' })).toBe(0)
    expect(await redrive({ destination: 'a', type: 'order.paid', since: '2026-03-05' })).toBe(1)
    expect(await redrive(undefined)).toBe(1)
    expect(await redrive({})).toBe(0)
  })

  test.each([{ destination: 'nowhere' }, { type: 'order.lost' }, { type: [] }, { since: 1 }, { idz: ['x'] }])(
    'a redrive of %j is refused',
    async body => {
      expect((await api.call('POST', '/v1/dead-letters/redrive', { body })).status).toBe(400)
    },
  )
})

describe('destinations', () => {
  test('show handlers and endpoints, exactly as promised', async () => {
    await giveUp('a')
    await api.store.lanes.spill(
      events.slice(1).map(event => ({ destination: 'a', event, origin: 'live' })),
      { nextAt: NOW, attempt: 0 },
    )
    const { status, body } = await api.call('GET', '/v1/destinations')
    expect(status).toBe(200)
    expect(body).toEqual({
      data: [
        {
          id: 'a',
          kind: 'endpoint',
          state: 'active',
          stateReason: null,
          restingUntil: null,
          lastError: 'it answered 500',
          failingSince: '2026-03-05T12:00:00.000Z',
          failuresInRow: 1,
          lastSuccessAt: null,
          nextAttemptAt: '2026-03-05T12:00:00.000Z',
          backlog: 1,
          oldestWaitingSeconds: 0,
          deadLetters: 1,
          expiredDeadLetters: 0,
          successRate: 0,
          latencyMs: { p50: 20, p99: 20 },
        },
        {
          id: 'audit',
          kind: 'handler',
          state: 'active',
          stateReason: null,
          restingUntil: null,
          lastError: null,
          failingSince: null,
          failuresInRow: 0,
          lastSuccessAt: null,
          nextAttemptAt: null,
          backlog: 0,
          oldestWaitingSeconds: null,
          deadLetters: 0,
          expiredDeadLetters: 0,
          successRate: null,
          latencyMs: { p50: null, p99: null },
        },
      ],
      next: null,
    })
  })

  test('show how many of their dead letters retention has deleted', async () => {
    await giveUp('a')
    await api.store.prune(
      { events: 0, attempts: 0, deadLetters: NOW * 2, reader: null, now: NOW },
      new AbortController().signal,
    )
    expect((await api.call('GET', '/v1/destinations')).body.data).toMatchObject([
      { id: 'a', deadLetters: 0, expiredDeadLetters: 1 },
      { id: 'audit', expiredDeadLetters: 0 },
    ])
  })

  test('an open circuit is shown, a pause even more', async () => {
    const dispatch = {
      refresh: async () => {},
      wake: () => {},
      test: async () => ({ statusCode: null, ms: 0, error: null }),
      replay: async () => 0,
      destinations: () => [{ id: 'a', kind: 'endpoint', state: 'open' } as const],
      health: () => null,
    }
    const face = await openHarness({ dispatch })
    await face.call('POST', '/v1/endpoints', { body: { id: 'a', url: 'https://hooks.example/' } })
    expect((await face.call('GET', '/v1/destinations')).body.data).toMatchObject([{ id: 'a', state: 'open' }])
    await face.call('POST', '/v1/destinations/a/pause')
    expect((await face.call('GET', '/v1/destinations')).body.data).toMatchObject([{ id: 'a', state: 'paused' }])
    await face.close()
  })
})

describe('quarantine', () => {
  test('case 43: a span of time that cannot be read is listed, and read again on request by the next poll', async () => {
    const from = NOW - 60_000
    const span = { connection: 'shop', from, to: from, at: NOW, reason: 'no page can be read', tries: 3 }
    await api.store.quarantine.setSpan(api.lease, { ...span, nextAt: NOW + 3_600_000 })
    const [entry] = (await api.call('GET', '/v1/quarantine')).body.data
    const time = new Date(from).toISOString()
    expect(entry).toEqual({
      id: entry.id,
      connection: 'shop',
      orderId: null,
      at: new Date(NOW).toISOString(),
      reason: 'no page can be read',
      path: 'updated_at',
      value: `${time}/${time}`,
    })
    expect(await api.call('POST', `/v1/quarantine/${entry.id}/retry`)).toMatchObject({
      status: 202,
      body: { queued: 1 },
    })
    expect((await api.store.quarantine.spans('shop'))[0]?.nextAt).toBeLessThanOrEqual(NOW + 60_000)
    expect(api.parts.asked).toContain('wake shop')
  })

  const doubts = [{ path: 'refundedAmount', value: '"9,99"', reason: 'not an amount; the refund waits' }]

  test('is listed, and its orders are read again', async () => {
    await api.seed('kk', '7', { doubts })
    const { status, body } = await api.call('GET', '/v1/quarantine')
    expect(status).toBe(200)
    expect(body.data).toEqual([
      { id: expect.any(String), connection: 'kk', orderId: '7', at: new Date(NOW).toISOString(), ...doubts[0] },
    ])
    const id = encodeURIComponent(body.data[0].id)
    expect(await api.call('POST', `/v1/quarantine/${id}/retry`)).toMatchObject({ status: 202, body: { queued: 1 } })
    expect(api.parts.asked).toEqual(['refetch kk 7'])
  })

  test('is filtered by connection and order', async () => {
    await api.seed('kk', '7', { doubts })
    const count = async (query: string) => (await api.call('GET', `/v1/quarantine?${query}`)).body.data.length
    expect(await count('connection=kk')).toBe(1)
    expect(await count('connection=shop')).toBe(0)
    expect(await count('connection=kk&order=8')).toBe(0)
    expect((await api.call('GET', '/v1/quarantine?connection=nowhere')).status).toBe(400)
  })

  test('a row without an id cannot be read again', async () => {
    await api.store.orders.commit(api.lease, {
      connection: 'kk',
      orders: [],
      events: [],
      published: true,
      quarantine: [{ orderId: null, entries: doubts, at: NOW }],
    })
    const [entry] = (await api.call('GET', '/v1/quarantine')).body.data
    expect(entry.orderId).toBe(null)
    expect((await api.call('POST', `/v1/quarantine/${encodeURIComponent(entry.id)}/retry`)).status).toBe(409)
    expect((await api.call('POST', '/v1/quarantine/unknown/retry')).status).toBe(404)
  })
})
