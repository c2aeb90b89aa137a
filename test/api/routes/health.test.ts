import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { eventsOf } from '../../helpers/event-records.ts'
import { type Harness, openHarness } from '../harness.ts'

let api: Harness
beforeEach(async () => {
  api = await openHarness()
})
afterEach(() => api.close())

describe('health', () => {
  test('a living process says so', async () => {
    expect(await api.call('GET', '/healthz')).toMatchObject({ status: 200, body: { status: 'ok', version: '0.0.0' } })
  })

  test('ready lists each part', async () => {
    const { status, body } = await api.call('GET', '/readyz')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      status: 'ready',
      checks: { store: { state: 'ok' }, eventLog: { state: 'ok' }, ingest: { state: 'ok' }, dispatch: { state: 'ok' } },
    })
  })

  test.each([
    ['ingest', 'ingestHealth'],
    ['dispatch', 'dispatchHealth'],
    ['eventLog', 'logHealth'],
  ] as const)('a failing %s makes it not ready, with its sentence', async (part, member) => {
    api.parts[member] = 'It hurts.'
    const { status, headers, body } = await api.call('GET', '/readyz')
    expect(status).toBe(503)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(body).toMatchObject({
      status: 503,
      detail: 'It hurts.',
      checks: { [part]: { state: 'failing', detail: 'It hurts.' } },
    })
    expect((await api.call('GET', '/healthz')).status).toBe(200)
  })

  test('an event log that went back is told, and leaves it ready', async () => {
    api.parts.logNotice = 'The event log went back: partition 3.'
    const { status, body } = await api.call('GET', '/readyz')
    expect([status, body.checks.eventLog]).toEqual([
      200,
      { state: 'ok', detail: 'The event log went back: partition 3.' },
    ])
  })

  test('a loop of one connection that fails is named by a process that is ready all the same', async () => {
    api.parts.ingestTroubles.set('shop', 'Publishing: Orders of partition 3 wait: too few replicas.')
    const { status, body } = await api.call('GET', '/readyz')
    expect(status).toBe(200)
    expect(body.checks.ingest).toEqual({
      state: 'ok',
      detail: expect.stringContaining('shop: Publishing: Orders of partition 3 wait: too few replicas.'),
    })
  })

  test('metrics show how many events of each connection the event log does not have yet', async () => {
    const { lease } = api
    const events = eventsOf('o-1', 3, { connection: 'kk' })
    await api.store.orders.commit(lease, { connection: 'kk', orders: [], events, published: false, quarantine: [] })
    const { text } = await api.call('GET', '/metrics')
    expect(text).toContain('orderwire_unpublished{connection="kk"} 3')
    expect(text).toContain('orderwire_unpublished{connection="shop"} 0')
  })

  test('metrics show the state of each connection that is enabled, and what a person should look at', async () => {
    await api.store.connections.update(api.lease, 'kk', { state: 'stopped', clockAheadMs: 120_000 })
    const { text } = await api.call('GET', '/metrics')
    expect(text).toContain('orderwire_connection_state{connection="kk",state="stopped"} 1')
    expect(text).toContain('orderwire_connection_state{connection="kk",state="ok"} 0')
    expect(text).toContain('orderwire_connection_notice{connection="kk",notice="clock"} 1')
    expect(text).toContain('orderwire_connection_notice{connection="shop",notice="clock"} 0')
    expect(text).toContain('orderwire_connection_notice{connection="shop",notice="webhooks-silent"} 0')
    expect(text).not.toContain('orderwire_connection_state{connection="off"')
  })

  test('metrics show which parts of the process work', async () => {
    api.parts.logHealth = 'It hurts.'
    const { text } = await api.call('GET', '/metrics')
    for (const [part, value] of [
      ['store', 1],
      ['event-log', 0],
      ['ingest', 1],
      ['dispatch', 1],
    ])
      expect(text).toContain(`orderwire_ready{part="${part}"} ${value}`)
  })

  test('metrics of a process that stands by or has no such role do not call its parts broken', async () => {
    const standby = await openHarness({ standby: () => true })
    standby.parts.dispatchHealth = 'Another process works.'
    const face = await openHarness({ ingest: null, dispatch: null, roles: new Set(['api']) })
    for (const each of [standby, face]) {
      const { text } = await each.call('GET', '/metrics')
      expect(text).toContain('orderwire_ready{part="store"} 1')
      expect(text).not.toMatch(/orderwire_ready\{part="(ingest|dispatch)"\}/)
      await each.close()
    }
  })

  test('a store that does not answer makes it not ready', async () => {
    const broken = await openHarness()
    const check = async () => {
      throw new AppError('The database is away.', { code: 'store.unreachable', intent: 'retry' })
    }
    const app = await openHarness({ store: { ...broken.store, check } })
    const { status, body } = await app.call('GET', '/readyz')
    expect(status).toBe(503)
    expect(body.checks.store).toEqual({ state: 'failing', detail: 'The database is away.' })
    await Promise.all([broken.close(), app.close()])
  })

  test('parts that run elsewhere do not count', async () => {
    const face = await openHarness({ ingest: null, dispatch: null, roles: new Set(['api']) })
    const { status, body } = await face.call('GET', '/readyz')
    expect(status).toBe(200)
    expect(body.checks.ingest.state).toBe('elsewhere')
    await face.close()
  })

  test('metrics show backlog and dead letters of every destination', async () => {
    const { status, headers, text } = await api.call('GET', '/metrics')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^text\/plain/)
    expect(text).toContain('orderwire_backlog{destination="audit"} 0')
    expect(text).toContain('orderwire_dead_letters{destination="audit"} 0')
    expect(text).toContain('process_cpu_seconds_total')
  })

  test('a process without the role api serves health and metrics only', async () => {
    const worker = await openHarness({ roles: new Set(['ingest']), dispatch: null })
    expect((await worker.call('GET', '/healthz')).status).toBe(200)
    expect((await worker.call('GET', '/readyz')).status).toBe(200)
    expect((await worker.call('GET', '/metrics')).status).toBe(200)
    for (const path of ['/v1/events', '/', '/openapi.json']) expect((await worker.call('GET', path)).status).toBe(404)
    expect((await worker.call('POST', '/hooks/shop', { body: {} })).status).toBe(404)
    await worker.close()
  })
})
