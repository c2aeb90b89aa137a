import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Harness, NOW, openHarness } from '../harness.ts'

let api: Harness
beforeEach(async () => {
  api = await openHarness()
})
afterEach(() => api.close())

const attention = async () => (await api.call('GET', '/v1/attention')).body

/** Connections that have been read: no other trouble is in the way. */
async function allRead(): Promise<void> {
  const { store, lease } = api
  for (const id of ['shop', 'kk', 'tuya'])
    await store.connections.update(lease, id, { cursor: NOW, reached: NOW, state: 'ok', lastSuccessAt: NOW })
}

describe('GET /v1/attention', () => {
  test('is empty where all works', async () => {
    await allRead()
    expect(await attention()).toEqual({ data: [], next: null })
  })

  test('tells of connections, dead letters of the last day by destination and error, quarantine and the log', async () => {
    const { store, lease, parts } = api
    await allRead()
    await store.connections.update(lease, 'shop', { state: 'stopped', lastError: 'Shoplazza answered 401.' })
    parts.logHealth = 'No broker answers.'
    const doubts = [{ path: 'total', value: 'x', reason: 'no amount', withholds: [] }]
    const events = [...(await api.seed('shop', 'o-1', { doubts })), ...(await api.seed('shop', 'o-2'))]
    const giveUp = (index: number, at: number, lastError: string) => {
      const event = events[index]
      if (!event) throw new Error('no such event')
      const { orderKey, id: eventId } = event
      return store.lanes.deadLetter({
        ...{ destination: 'audit', orderKey, eventId, at, attempts: 9, lastError, hold: false },
      })
    }
    await giveUp(0, NOW - 5000, 'answered 500')
    await giveUp(1, NOW - 1000, 'answered 500')
    await giveUp(2, NOW - 25 * 3_600_000, 'too long ago')

    const { data } = await attention()
    expect(data).toMatchObject([
      { kind: 'connection.stopped', severity: 'critical', subject: 'shop', reason: 'Shoplazza answered 401.' },
      { kind: 'event-log.failing', severity: 'critical', since: null, reason: 'No broker answers.' },
      { kind: 'dead-letter', subject: 'audit', since: '2026-03-05T11:59:55.000Z', reason: 'answered 500' },
      { kind: 'quarantine', subject: 'shop', reason: 'no amount' },
    ])
    expect(data[2].sentence).toMatch(/^audit did not get 2 events/)
  })

  test('answers for the process while the store does not', async () => {
    const { store } = api
    const gone = () => Promise.reject(new Error('gone'))
    const broken = await openHarness({
      store: { ...store, check: gone, connections: { ...store.connections, list: gone } },
    })
    const { body } = await broken.call('GET', '/v1/attention')
    await broken.close()
    expect(body.data).toMatchObject([{ kind: 'store.failing', subject: 'store', reason: 'gone' }])
  })
})
