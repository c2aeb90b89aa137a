import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Harness, NOW, openHarness } from '../harness.ts'

let api: Harness
beforeEach(async () => {
  api = await openHarness()
  api.parts.logCommitPublishes = false
})
afterEach(() => api.close())

const waiting = async () => (await api.call('GET', '/v1/events/republish')).body.waiting
const publishAll = async (connection: string) => {
  const events = await api.store.events.unpublished(connection, 1_000)
  await api.store.events.markPublished(
    api.lease,
    connection,
    events.map(({ n }) => n),
  )
}
const iso = (ms: number) => new Date(ms).toISOString()

describe('republish', () => {
  test('makes the events of a span unpublished again and has their connections publish them', async () => {
    const events = [...(await api.seed('shop', '1', {}, NOW - 5_000)), ...(await api.seed('kk', '2', {}, NOW - 1_000))]
    await Promise.all(['shop', 'kk'].map(publishAll))
    expect(await waiting()).toEqual([])
    const { status, body } = await api.call('POST', '/v1/events/republish', { body: { since: iso(NOW - 10_000) } })
    expect([status, body]).toEqual([202, { republished: events.length }])
    expect(await waiting()).toEqual([
      { connection: 'kk', events: 2 },
      { connection: 'shop', events: 2 },
    ])
    expect(api.parts.asked.filter(asked => asked.startsWith('publish'))).toEqual(
      expect.arrayContaining(['publish shop', 'publish kk']),
    )
  })

  test('keeps to the time of observation and to the connections named', async () => {
    await api.seed('shop', '1', {}, NOW - 9_000)
    await api.seed('shop', '2', {}, NOW - 5_000)
    await api.seed('shop', '3', {}, NOW - 1_000)
    await api.seed('kk', '4', {}, NOW - 5_000)
    await Promise.all(['shop', 'kk'].map(publishAll))
    const span = { since: iso(NOW - 5_000), until: iso(NOW - 1_000), connection: ['shop'] }
    expect((await api.call('POST', '/v1/events/republish', { body: span })).body).toEqual({ republished: 2 })
    const again = await api.store.events.unpublished('shop', 10)
    expect(again.map(({ orderId, sequence }) => [orderId, sequence])).toEqual([
      ['2', 1],
      ['2', 2],
    ])
  })

  test('asked for twice puts nothing in twice', async () => {
    await api.seed('shop', '1')
    await publishAll('shop')
    const ask = async () =>
      (await api.call('POST', '/v1/events/republish', { body: { since: iso(0) } })).body.republished
    expect([await ask(), await ask()]).toEqual([2, 0])
  })

  test('goes through any number of orders', async () => {
    for (let order = 0; order < 450; order++) await api.seed('shop', `o${order}`)
    await publishAll('shop')
    const { body } = await api.call('POST', '/v1/events/republish', { body: { since: iso(0) } })
    expect(body).toEqual({ republished: 900 })
  })

  test('has nothing to do with the embedded log, and says why', async () => {
    api.parts.logCommitPublishes = true
    await api.seed('shop', '1')
    await publishAll('shop')
    const { status, body } = await api.call('POST', '/v1/events/republish', { body: { since: iso(0) } })
    expect([status, body.republished]).toEqual([202, 0])
    expect(body.note).toMatch(/is the event history itself/)
    expect(await waiting()).toEqual([])
  })

  test.each([
    [{}, 400, /since/],
    [{ since: 'yesterday' }, 400, /since/],
    [{ since: '2026-01-01', connection: ['nowhere'] }, 400, /nowhere/],
    [{ since: '2026-01-01', connection: ['off'] }, 409, /not enabled/],
  ])('refuses %j with %i', async (body, status, detail) => {
    const answer = await api.call('POST', '/v1/events/republish', { body })
    expect([answer.status, answer.body.detail]).toEqual([status, expect.stringMatching(detail)])
  })
})
