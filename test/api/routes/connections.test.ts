import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { answerPoll } from '../../../src/ingest/poll-request.ts'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { type Harness, NOW, openHarness } from '../harness.ts'

let api: Harness
beforeEach(async () => {
  api = await openHarness()
})
afterEach(() => api.close())

describe('GET /v1/connections', () => {
  test('a trouble that the store could not be told is shown all the same', async () => {
    await api.store.connections.update(api.lease, 'kk', { state: 'ok', lastError: null })
    api.parts.ingestTroubles.set('kk', 'Lease: The database is read-only.')
    const { body } = await api.call('GET', '/v1/connections/kk')
    expect(body).toMatchObject({ state: 'failing', lastError: 'Lease: The database is read-only.' })
    api.parts.ingestTroubles.clear()
    expect((await api.call('GET', '/v1/connections/kk')).body).toMatchObject({ state: 'ok', lastError: null })
  })

  test('lists each with exactly what is promised', async () => {
    await api.seed('kk', '1', { doubts: [{ path: 'refundedAmount', value: '"9,99"', reason: 'not an amount' }] })
    const cursor = NOW - 12_500
    await api.store.connections.update(api.lease, 'kk', {
      cursor,
      state: 'failing',
      lastError: 'code 10001',
      lastSuccessAt: cursor,
      nextPollAt: NOW + 5000,
    })
    const { status, body } = await api.call('GET', '/v1/connections')
    expect(status).toBe(200)
    expect(body.next).toBe(null)
    expect(body.data.map(({ id }: { id: string }) => id)).toEqual(['kk', 'off', 'shop', 'tuya'])
    expect(body.data[0]).toEqual({
      id: 'kk',
      vendor: 'kakaclo',
      enabled: true,
      state: 'failing',
      cursor: new Date(cursor).toISOString(),
      lagSeconds: 12.5,
      clock: null,
      lastSuccessAt: new Date(cursor).toISOString(),
      nextPollAt: new Date(NOW + 5000).toISOString(),
      lastError: 'code 10001',
      ordersTracked: 1,
      quarantined: 1,
      webhooks: null,
      reconcile: { lastAt: null, nextAt: null, orders: 0, events: 0, lastError: null },
    })
    expect((await api.call('GET', '/v1/connections/kk')).body).toEqual(body.data[0])
  })

  test('pages by id', async () => {
    const first = await api.call('GET', '/v1/connections?limit=3')
    const second = await api.call('GET', `/v1/connections?limit=3&after=${first.body.next}`)
    expect([...first.body.data, ...second.body.data].map(({ id }: { id: string }) => id)).toEqual([
      'kk',
      'off',
      'shop',
      'tuya',
    ])
    expect(second.body.next).toBe(null)
  })

  test('case 42: a difference of the clocks is said in words, and is no lag', async () => {
    const threeHours = 3 * 3_600_000
    await api.store.connections.update(api.lease, 'kk', {
      cursor: NOW - threeHours,
      reached: NOW - 2_000,
      clockAheadMs: -threeHours,
      lastSuccessAt: NOW - 1_000,
    })
    expect((await api.call('GET', '/v1/connections/kk')).body).toMatchObject({
      state: 'ok',
      lagSeconds: 2,
      clock: { aheadSeconds: -10_800, warning: expect.stringContaining('3 h 0 min behind ours') },
    })
    expect((await api.call('GET', '/metrics')).text).toContain('orderwire_connection_lag_seconds{connection="kk"} 2\n')
  })

  test('case 42: windows read into the future of a vendor that is ahead do not hide a lag', async () => {
    const reached = NOW + 3 * 3_600_000
    const past = NOW - 600_000
    await api.store.connections.update(api.lease, 'kk', { cursor: past, reached, lastSuccessAt: past })
    expect((await api.call('GET', '/v1/connections/kk')).body.lagSeconds).toBe(600)
  })

  test('one that was never polled has no cursor and no lag', async () => {
    expect((await api.call('GET', '/v1/connections/shop')).body).toMatchObject({
      cursor: null,
      lagSeconds: null,
      ordersTracked: 0,
    })
  })

  test('one that is not enabled is stopped and says why', async () => {
    expect((await api.call('GET', '/v1/connections/off')).body).toMatchObject({
      state: 'stopped',
      lastError: expect.stringContaining('not enabled'),
    })
  })

  test('an unknown one is 404', async () => {
    expect((await api.call('GET', '/v1/connections/nowhere')).status).toBe(404)
  })
})

describe('POST /v1/connections/{id}/poll', () => {
  test('answers what was found', async () => {
    const events = await api.seed('shop', '1')
    api.parts.poll = async () => ({ orders: 7, events, quarantined: 1 })
    const { status, body } = await api.call('POST', '/v1/connections/shop/poll')
    expect(status).toBe(200)
    expect(body).toMatchObject({ orders: 7, events: 2, quarantined: 1 })
    expect(body.data).toEqual(events.map(event => JSON.parse(event.body)))
  })

  test('passes on which order, whose, and that it is a dry run', async () => {
    let asked: unknown
    api.parts.poll = async (connection, { signal: _, ...options }) => {
      asked = { connection, ...options }
      return { orders: 1, events: [], quarantined: 0 }
    }
    await api.call('POST', '/v1/connections/tuya/poll?order=5&user=u1&dryRun=true')
    expect(asked).toEqual({ connection: 'tuya', orderId: '5', userId: 'u1', dryRun: true })
    await api.call('POST', '/v1/connections/tuya/poll', { body: {} })
    expect(asked).toEqual({ connection: 'tuya' })
  })

  test("a failed poll is 502 with the vendor's trouble", async () => {
    api.parts.poll = async () => {
      throw new AppError('The vendor answered 429.', {
        code: 'vendor.rate_limited',
        intent: 'retry',
        retryAfterMs: 1500,
      })
    }
    const { status, headers, body } = await api.call('POST', '/v1/connections/shop/poll')
    expect(status).toBe(502)
    expect(body.detail).toBe('The vendor answered 429.')
    expect(headers.get('retry-after')).toBe('2')
  })

  test('refused credentials are 502 as well', async () => {
    api.parts.poll = async () => {
      throw new AppError('The token is refused.', { code: 'vendor.unauthorized', intent: 'stop' })
    }
    expect((await api.call('POST', '/v1/connections/shop/poll')).status).toBe(502)
  })

  test('trouble on this side is 503, or 409 where a person must act', async () => {
    const failing = (code: string, intent: 'retry' | 'fix') => async () => {
      throw new AppError('Another process does that.', { code, intent })
    }
    api.parts.poll = failing('ingest.elsewhere', 'retry')
    expect(await api.call('POST', '/v1/connections/shop/poll')).toMatchObject({
      status: 503,
      body: { detail: 'Another process does that.' },
    })
    api.parts.poll = failing('store.unreachable', 'retry')
    expect((await api.call('POST', '/v1/connections/shop/poll')).status).toBe(503)
    api.parts.poll = failing('ingest.unknown_connection', 'fix')
    expect((await api.call('POST', '/v1/connections/shop/poll')).status).toBe(409)
  })

  test('an error of the program is 500 and shows nothing of itself', async () => {
    api.parts.poll = async () => {
      throw new TypeError('secret is not a function')
    }
    const { status, headers, text } = await api.call('POST', '/v1/connections/shop/poll')
    expect(status).toBe(500)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(text).not.toContain('secret')
  })

  test.each([
    ['/v1/connections/nowhere/poll', 404],
    ['/v1/connections/off/poll', 409],
    ['/v1/connections/shop/poll?dryrun=true', 400],
    ['/v1/connections/shop/poll?dryRun=yes', 400],
    ['/v1/connections/shop/poll?user=u1', 400],
  ])('POST %s is %d', async (path, status) => {
    expect((await api.call('POST', path)).status).toBe(status)
  })

  test('of a Tuya order whose buyer nobody knows is refused, asks for the buyer, and reads nothing', async () => {
    const { status, body } = await api.call('POST', '/v1/connections/tuya/poll?order=5')
    expect([status, body.errors]).toEqual([400, [{ path: 'user', message: expect.stringContaining('--user ID') }]])
    expect(api.parts.asked).toEqual([])
    expect((await api.call('POST', '/v1/connections/tuya/poll?order=5&user=u1')).status).toBe(200)
    await api.seed('tuya', '7')
    const row = await api.store.orders.get('tuya', '7')
    if (!row) throw new Error('it was just put there')
    const orders = [{ ...row, userId: 'u7' }]
    await api.store.orders.commit(api.lease, {
      connection: 'tuya',
      orders,
      events: [],
      published: true,
      quarantine: [],
    })
    expect((await api.call('POST', '/v1/connections/tuya/poll?order=7')).status).toBe(200)
  })

  test('a member in the body is refused, not ignored', async () => {
    const { status, body } = await api.call('POST', '/v1/connections/shop/poll', { body: { dryRun: true } })
    expect(status).toBe(400)
    expect(body.errors).toEqual([{ path: 'dryRun', message: expect.stringContaining('found an unknown key') }])
  })

  describe('where this process does not poll', () => {
    test('is what the process finds that does', async () => {
      const face = await openHarness({ ingest: null })
      const events = await face.seed('shop', '7')
      const answer = face.call('POST', '/v1/connections/shop/poll?order=7&dryRun=true')
      const [request] = await vi.waitFor(async () => {
        const taken = await face.store.pollRequests.take(['shop'], NOW)
        expect(taken).toHaveLength(1)
        return taken
      })
      if (!request) throw new Error('there was a request')
      await answerPoll(face.store.pollRequests, request, async asked => {
        expect(asked).toEqual({ orderId: '7', dryRun: true })
        return { orders: 1, events, quarantined: 2 }
      })
      expect(await answer).toMatchObject({ status: 200, body: { orders: 1, events: 2, quarantined: 2 } })
      expect((await answer).body.data).toEqual(events.map(({ body }) => JSON.parse(body)))
      expect(await face.store.pollRequests.get(request.id)).toBeNull()
      await face.close()
    })

    test('is the same refusal as there', async () => {
      const face = await openHarness({ ingest: null })
      const answer = face.call('POST', '/v1/connections/shop/poll')
      const [request] = await vi.waitFor(async () => {
        const taken = await face.store.pollRequests.take(['shop'], NOW)
        expect(taken).toHaveLength(1)
        return taken
      })
      if (!request) throw new Error('there was a request')
      const limited = new AppError('The vendor is busy.', {
        code: 'vendor.rate_limited',
        intent: 'retry',
        retryAfterMs: 7000,
      })
      await answerPoll(face.store.pollRequests, request, () => Promise.reject(limited))
      expect(await answer).toMatchObject({ status: 502, body: { detail: 'The vendor is busy.' } })
      expect((await answer).headers.get('retry-after')).toBe('7')
      await face.close()
    })

    test('is 503 with a reason when nobody takes it up in 10 s, and is then withdrawn', async () => {
      let passed = 0
      const real = systemClock()
      const clock: Clock = {
        ...real,
        now: () => NOW,
        monotonic: () => passed,
        sleep: async ms => {
          passed += ms
        },
      }
      const face = await openHarness({ ingest: null, clock })
      const { status, body } = await face.call('POST', '/v1/connections/shop/poll')
      expect([status, body.detail]).toEqual([503, expect.stringContaining('No process took up the poll of shop')])
      expect(passed).toBeLessThan(11_000)
      expect(await face.store.pollRequests.take(['shop'], NOW)).toEqual([])
      await face.close()
    })
  })
})

describe('following', () => {
  const follows = (connection: string) => api.store.follows.list(connection, { limit: 10 })

  test('a Tuya order is followed with its buyer', async () => {
    const { status, text } = await api.call('PUT', '/v1/connections/tuya/orders/5%2F6', { body: { userId: 'u1' } })
    expect([status, text]).toEqual([204, ''])
    expect(await follows('tuya')).toMatchObject([{ kind: 'order', id: '5/6', userId: 'u1' }])
    expect(api.parts.asked).toEqual(['wake tuya'])
  })

  test('a Tuya order without its buyer is 400', async () => {
    for (const body of [undefined, {}, { userId: '' }, { userId: 5 }, { user: 'u1' }]) {
      const answer = await api.call('PUT', '/v1/connections/tuya/orders/5', { body })
      expect(answer.status).toBe(400)
      expect(answer.body.errors[0].path).toMatch(/^user/)
    }
    expect(await follows('tuya')).toEqual([])
  })

  test('all orders of a user are followed', async () => {
    expect((await api.call('PUT', '/v1/connections/tuya/users/u%201')).status).toBe(204)
    expect(await follows('tuya')).toMatchObject([{ kind: 'user', id: 'u 1' }])
  })

  test.each([
    ['kk', 'orders/5', 'POST /v1/connections/kk/poll?order=5'],
    ['shop', 'orders/5%2F6', 'POST /v1/connections/shop/poll?order=5%2F6'],
    ['kk', 'users/u1', 'nothing to register'],
    ['off', 'orders/5', 'finds all its orders by itself'],
  ])('PUT %s %s is 409, for that connection finds all its orders by itself', async (connection, what, says) => {
    const { status, headers, body } = await api.call('PUT', `/v1/connections/${connection}/${what}`)
    expect([status, headers.get('content-type')]).toEqual([409, 'application/problem+json'])
    expect(body.detail).toContain('finds all its orders by itself')
    expect(body.detail).toContain(says)
    expect(api.parts.asked).toEqual([])
    expect(await follows(connection)).toEqual([])
  })

  test('an unknown connection is 404', async () => {
    expect((await api.call('PUT', '/v1/connections/nowhere/orders/5')).status).toBe(404)
    expect((await api.call('PUT', '/v1/connections/nowhere/users/5')).status).toBe(404)
  })

  test('where this process does not poll, the order is left in the store for the one that does', async () => {
    const face = await openHarness({ ingest: null })
    const answer = await face.call('PUT', '/v1/connections/tuya/orders/5', { body: { userId: 'u1' } })
    expect(answer.status).toBe(204)
    expect(await face.store.follows.list('tuya', { limit: 10 })).toMatchObject([{ kind: 'order', id: '5' }])
    await face.close()
  })
})
