import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Backfill } from '../../../schemas/api.ts'
import { type Harness, NOW, openHarness } from '../harness.ts'

let api: Harness
beforeEach(async () => {
  api = await openHarness()
})
afterEach(() => api.close())

const PATH = '/v1/connections/shop/backfill'
const ask = (body: unknown, path = PATH) => api.call('POST', path, { body })

describe('POST /v1/connections/{id}/backfill', () => {
  test('keeps the span in the store, wakes the worker, and shows the progress by its id', async () => {
    const { status, body } = await ask({ since: '2026-03-01', until: '2026-03-02T10:00:00Z' })
    const asked = Backfill.parse(body)
    expect([status, api.parts.asked]).toEqual([202, ['backfill shop']])
    expect(asked).toMatchObject({
      connection: 'shop',
      since: '2026-03-01T00:00:00.000Z',
      until: '2026-03-02T10:00:00.000Z',
      state: 'waiting',
      progress: 0,
      secondsLeft: null,
    })
    const progress = {
      beganAt: NOW - 30_000,
      spans: [{ by: 'updated' as const, from: 0, to: 250 }],
      wholeMs: 1000,
      pages: 3,
      orders: 40,
      events: 2,
    }
    await api.store.backfills.save(api.lease, { id: asked.id, progress, endedAt: null, error: null })
    expect((await api.call('GET', `${PATH}/${asked.id}`)).body).toEqual({
      ...asked,
      state: 'running',
      pages: 3,
      orders: 40,
      events: 2,
      progress: 0.75,
      secondsLeft: 10,
    })
    await api.store.backfills.save(api.lease, { id: asked.id, progress, endedAt: NOW, error: null })
    expect((await api.call('GET', PATH)).body).toMatchObject({
      data: [{ id: asked.id, state: 'done', progress: 1, secondsLeft: 0, endedAt: '2026-03-05T12:00:00.000Z' }],
      next: null,
    })
  })

  test.each([
    ['a span that ends before it begins', { since: '2026-03-02', until: '2026-03-01' }, 'until'],
    ['a span of the future', { since: '2027-01-01' }, 'since'],
    ['no beginning', {}, 'since'],
  ])('of %s is 400', async (_, body, path) => {
    const answer = await ask(body)
    expect([answer.status, (answer.body as { errors: { path: string }[] }).errors[0]?.path]).toEqual([400, path])
    expect(await api.store.backfills.list('shop', 5)).toEqual([])
  })

  test('of a vendor that lists nothing by time, or of a connection that is not enabled, is 409', async () => {
    const body = { since: '2026-03-01' }
    expect((await ask(body, '/v1/connections/tuya/backfill')).status).toBe(409)
    expect((await ask(body, '/v1/connections/off/backfill')).status).toBe(409)
    expect((await ask(body, '/v1/connections/nowhere/backfill')).status).toBe(404)
  })

  test('of another connection is not shown here', async () => {
    const { id } = Backfill.parse((await ask({ since: '2026-03-01' })).body)
    expect((await api.call('GET', `/v1/connections/kk/backfill/${id}`)).status).toBe(404)
    expect((await api.call('GET', '/v1/connections/kk/backfill')).body).toEqual({ data: [], next: null })
  })
})

test('GET /v1/connections/{id} shows how the last reconciliation went and when the next is due', async () => {
  const row = { connection: 'kk', origin: 0, nextAt: NOW + 1000, running: null, error: 'answered 503' }
  await api.store.reconciliations.put(api.lease, { ...row, last: { at: NOW, orders: 7, events: 2 } })
  expect((await api.call('GET', '/v1/connections/kk')).body).toMatchObject({
    reconcile: {
      lastAt: '2026-03-05T12:00:00.000Z',
      nextAt: '2026-03-05T12:00:01.000Z',
      orders: 7,
      events: 2,
      lastError: 'answered 503',
    },
  })
  expect((await api.call('GET', '/v1/connections/tuya')).body).toMatchObject({ reconcile: null })
})
