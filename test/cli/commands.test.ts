import { beforeEach, describe, expect, test } from 'vitest'
import type { CommandContext } from '../../src/cli/command.ts'
import { listConnections, showConnection } from '../../src/cli/commands/connections.ts'
import { listDeadLetters } from '../../src/cli/commands/dead-letters.ts'
import { listDeliveries, showDelivery } from '../../src/cli/commands/deliveries.ts'
import {
  listDestinations,
  pauseDestination,
  resumeDestination,
  retryDestination,
  showDestination,
} from '../../src/cli/commands/destinations.ts'
import { listEndpoints } from '../../src/cli/commands/endpoints.ts'
import { events } from '../../src/cli/commands/events.ts'
import { listKeys } from '../../src/cli/commands/keys.ts'
import { showOrder } from '../../src/cli/commands/orders.ts'
import { listQuarantine } from '../../src/cli/commands/quarantine.ts'
import { replay } from '../../src/cli/commands/replay.ts'
import { status, watchStatus } from '../../src/cli/commands/status.ts'
import { NOW } from '../api/harness.ts'
import { memoryClock } from '../helpers/memory-clock.ts'
import { answers, api, failure, giveUp, jsonLines, newApiForEachTest, outcome, printed, type Run } from './scene.ts'

newApiForEachTest()

describe('an empty list says what to do, and prints nothing with --json', () => {
  const lists: Readonly<Record<string, readonly [Run, string]>> = {
    events: [context => events(context, {}), 'orderwire connections list'],
    'endpoints list': [listEndpoints, 'orderwire endpoints add URL'],
    'deliveries list': [context => listDeliveries(context, {}), 'orderwire destinations list'],
    'deliveries list --failed': [context => listDeliveries(context, { failed: true }), 'No delivery has failed'],
    'dead-letters list': [context => listDeadLetters(context, {}), 'orderwire deliveries list --failed'],
    'quarantine list': [context => listQuarantine(context, {}), 'Nothing is in quarantine'],
    'keys list': [listKeys, 'orderwire keys add NAME'],
  }
  test.each(Object.entries(lists))('%s', async (_, [run, says]) => {
    expect(await printed(run)).toContain(says)
    expect(await outcome(true, run)).toEqual({ text: '', error: null })
  })

  test('connections and destinations, too', async () => {
    for (const path of ['/v1/connections', '/v1/destinations']) answers.set(`GET ${path}`, { data: [], next: null })
    expect(await printed(listConnections)).toContain('orderwire init')
    expect(await printed(listDestinations)).toContain('orderwire endpoints add URL')
  })
})

describe('status', () => {
  const open = {
    kind: 'destination.open',
    severity: 'critical',
    subject: 'audit',
    since: '2026-03-05T11:48:00.000Z',
    sentence: 'audit has failed for 12 min.',
    reason: 'answered 500',
  }

  test('says that nothing needs attention, with the connections and destinations', async () => {
    answers.set('GET /v1/attention', { data: [] })
    const { text, error } = await outcome(false, status)
    expect([error, text]).toEqual([null, expect.stringMatching(/^Nothing needs attention\.\n4 connections:\n/)])
    expect(text).toContain('1 destination:\naudit')
  })

  test('shows a connection that is turned off last', async () => {
    answers.set('GET /v1/attention', { data: [] })
    const [, off, ...others] = await jsonLines(listConnections)
    answers.set('GET /v1/connections', { data: [{ ...off, enabled: false }, ...others], next: null })
    expect(await printed(status)).toMatch(/^shop [\s\S]*^tuya [\s\S]*^off [\s\S]*^1 destination:/m)
  })

  test('fails if something needs attention, and says what, since when and why', async () => {
    answers.set('GET /v1/attention', { data: [open] })
    const { text, error } = await outcome(false, status)
    expect(error).toBe('1 thing needs attention.')
    expect(text).toContain('! audit has failed for 12 min.: answered 500 (since 2026-03-05 11:48:00)')
  })

  test('does not fail for what is only information', async () => {
    answers.set('GET /v1/attention', { data: [{ ...open, severity: 'info' }] })
    expect(await failure(status)).toBeNull()
  })

  test('prints about 20 lines to people, however much there is, and everything with --json', async () => {
    const many = <T>(one: T) => Array.from({ length: 40 }, (_, index) => ({ ...one, id: `n${index}` }))
    const [connection] = await jsonLines(listConnections)
    const [destination] = await jsonLines(listDestinations)
    answers.set('GET /v1/attention', { data: many(open) })
    answers.set('GET /v1/connections', { data: many(connection), next: null })
    answers.set('GET /v1/destinations', {
      data: [...many(destination), { ...destination, id: 'worst', state: 'disabled' }],
      next: null,
    })
    const text = await printed(status)
    expect(text.trim().split('\n').length).toBeLessThanOrEqual(23)
    expect(text).toMatch(/41 destinations:\nworst /)
    expect(text).toContain('and 35 more: orderwire connections list')
    expect((await jsonLines(status)).map(({ type }) => type).filter(type => type !== 'attention').length).toBe(81)
  })

  test('--watch prints it again until it is ended, and then does not fail', async () => {
    answers.set('GET /v1/attention', { data: [open] })
    const stop = new AbortController()
    const clock = memoryClock(NOW)
    let rounds = 0
    const sleep = async () => {
      if (++rounds === 2) stop.abort()
    }
    const run: Run = context => watchStatus(context, { ...clock, sleep })
    const { text, error } = await outcome(false, run, { signal: stop.signal })
    expect([error, text.match(/audit has failed/g)?.length]).toEqual([null, 2])
  })
})

describe('connections', () => {
  test('list prints state and lag of each, one line of JSON each with --json', async () => {
    expect(await printed(listConnections)).toMatch(/^shop +shoplazza +ok +never read, 0 orders$/m)
    expect((await jsonLines(listConnections)).map(({ id }) => id).sort()).toEqual(['kk', 'off', 'shop', 'tuya'])
  })

  test('show prints one, or says that there is none', async () => {
    expect(JSON.parse(await printed(context => showConnection(context, 'shop')))).toMatchObject({ id: 'shop' })
    expect(await failure(context => showConnection(context, 'nowhere'))).toContain('no connection "nowhere"')
  })
})

describe('orders show', () => {
  test('prints the facts of an order, its events and each delivery', async () => {
    await api.call('POST', '/v1/endpoints', { body: { id: 'billing', url: 'https://hooks.example/' } })
    const event = await giveUp('billing', await api.seed('shop', 'o-1', { orderNumber: '1005' }))
    const text = await printed(context => showOrder(context, 'o-1', {}))
    expect(text).toMatch(/^shop\/o-1 \(number 1005\), shoplazza\n/)
    expect(text).toMatch(
      new RegExp(`^#1 paid: .*${event.id}\n +billing: dead letter after 1 attempt: it answered 500$`, 'm'),
    )
    expect(text).toMatch(/^#2 shipped: p-1/m)
    const lines = await jsonLines(context => showOrder(context, 'o-1', {}))
    expect(lines.map(({ type }) => type)).toEqual(['order', 'event', 'event'])
    expect(lines[1].deliveries).toEqual([expect.objectContaining({ destination: 'billing', status: 'dead' })])
  })

  test('finds an order by its number', async () => {
    await api.seed('shop', 'o-1')
    answers.set('GET /v1/orders', { data: [{ connection: 'shop', orderId: 'o-1' }], next: null })
    expect(await printed(context => showOrder(context, '1005', {}))).toMatch(/^shop\/o-1/)
  })

  test('names the orders of several connections instead of choosing one', async () => {
    await api.seed('shop', '7')
    await api.seed('kk', '7')
    expect(await failure(context => showOrder(context, '7', {}))).toMatch(
      /several orders: (shop\/7, kk\/7|kk\/7, shop\/7)/,
    )
    expect(await printed(context => showOrder(context, '7', { connection: 'kk' }))).toMatch(/^kk\/7/)
  })

  test('says "no such order" instead of an empty list, wherever an order is named', async () => {
    for (const run of [
      (context: CommandContext) => showOrder(context, '404', {}),
      (context: CommandContext) => events(context, { order: '404' }),
      (context: CommandContext) => listDeliveries(context, { order: '404' }),
      (context: CommandContext) => replay(context, { to: 'audit', order: '404' }),
    ])
      expect(await failure(run)).toMatch(/^There is no order "404": .* orderwire poll CONNECTION --order ID$/)
  })
})

describe('events', () => {
  test('--last prints the newest only, oldest of them first', async () => {
    for (let minute = 0; minute < 30; minute++) await api.seed('shop', `o-${minute}`, {}, NOW + minute * 60_000)
    const all = await jsonLines(context => events(context, {}))
    const last = await jsonLines(context =>
      events(context, { last: 7, until: new Date(NOW + 3_600_000).toISOString() }),
    )
    expect(last).toEqual(all.slice(-7))
    expect(await jsonLines(context => events(context, { last: 1_000 }))).toEqual(all)
  })

  test('--order takes an id, and a number', async () => {
    await api.seed('shop', 'o-1')
    await api.seed('shop', 'o-2')
    expect((await jsonLines(context => events(context, { order: 'o-1' }))).map(({ subject }) => subject)).toEqual([
      'o-1',
      'o-1',
    ])
    answers.set('GET /v1/orders', { data: [{ connection: 'shop', orderId: 'o-2' }], next: null })
    expect((await jsonLines(context => events(context, { order: '1006' }))).map(({ subject }) => subject)).toEqual([
      'o-2',
      'o-2',
    ])
  })
})

describe('deliveries', () => {
  beforeEach(async () => {
    await api.call('POST', '/v1/endpoints', { body: { id: 'billing', url: 'https://hooks.example/' } })
  })

  test('list --failed shows dead letters and what waits after a failure, and no others', async () => {
    const dead = await giveUp('billing', await api.seed('shop', 'o-1'))
    const [waiting, fresh] = await api.seed('shop', 'o-2')
    if (!waiting || !fresh) throw new Error('two events are seeded')
    const attempt = { destination: 'billing', eventId: waiting.id, orderKey: waiting.orderKey, attempt: 1, at: NOW }
    await api.store.deliveries.record([
      {
        ...attempt,
        outcome: 'retry',
        origin: 'live',
        statusCode: 503,
        ms: 5,
        error: 'it answered 503',
        response: null,
      },
    ])
    await api.store.lanes.spill([{ destination: 'billing', event: waiting, origin: 'live' }], {
      nextAt: NOW + 1,
      attempt: 1,
    })
    await api.store.lanes.spill([{ destination: 'billing', event: fresh, origin: 'live' }], { nextAt: NOW, attempt: 0 })
    const failed = await jsonLines(context => listDeliveries(context, { failed: true }))
    expect(failed.map(({ eventId }) => eventId)).toEqual([dead.id, waiting.id])
    const text = await printed(context => listDeliveries(context, { failed: true, last: 1 }))
    expect(text).toContain(`billing:${dead.id}  order o-1  dead letter after 1 attempt: it answered 500\n`)
    expect(text).toContain('There are more; --last 10 shows more of them.')
    const ofOrder = await jsonLines(context => listDeliveries(context, { order: 'o-1' }))
    expect(ofOrder.map(({ order }) => order)).toEqual(['o-1'])
  })

  test('list is narrowed by event type, answer and time, and says when nothing is like that', async () => {
    const dead = await giveUp('billing', await api.seed('shop', 'o-1'))
    const ids = async (flags: Parameters<typeof listDeliveries>[1]) =>
      (await jsonLines(context => listDeliveries(context, flags))).map(({ eventId }) => eventId)
    expect(await ids({ type: [dead.type], answer: '5xx' })).toEqual([dead.id])
    expect(await ids({ since: new Date(NOW - 1000).toISOString(), destination: 'billing' })).toEqual([dead.id])
    expect(await ids({ until: new Date(NOW - 1000).toISOString() })).toEqual([])
    expect(await ids({ answer: '2xx' })).toEqual([])
    const text = await printed(context => listDeliveries(context, { type: ['order.refunded'] }))
    expect(text).toContain('No delivery is like this.')
  })

  test('show prints each attempt and the answer, with control characters made harmless', async () => {
    const { id } = await giveUp('billing', await api.seed('shop', 'o-1'))
    const text = await printed(context => showDelivery(context, `billing:${id}`))
    expect(text).toContain('answered 500 in 20 ms (live): it answered 500')
    expect(text).toContain('column "sku" too short \\u001b[2J')
    expect(text).not.toContain('\u001b')
    expect(await failure(context => showDelivery(context, 'billing:evt_0'))).toContain('no delivery with this id')
  })
})

describe('destinations', () => {
  test('list and show say how each is doing', async () => {
    expect(await printed(listDestinations)).toMatch(/^audit +handler +active +0 waiting/)
    expect(JSON.parse(await printed(context => showDestination(context, 'audit')))).toMatchObject({ kind: 'handler' })
    expect(await failure(context => showDestination(context, 'nobody'))).toContain('There is no destination "nobody"')
  })

  test('are paused, resumed and tried now', async () => {
    await api.call('POST', '/v1/endpoints', { body: { id: 'billing', url: 'https://hooks.example/' } })
    expect(await printed(context => pauseDestination(context, 'billing'))).toContain(
      'orderwire destinations resume billing',
    )
    expect((await api.call('GET', '/v1/endpoints/billing')).body.state).toBe('paused')
    expect(await printed(context => resumeDestination(context, 'billing'))).toContain('goes on with all that waited: 0')
    expect(await printed(context => retryDestination(context, 'billing'))).toBe('nothing waits for billing\n')
    expect(await failure(context => retryDestination(context, 'nobody'))).toContain('no destination "nobody"')
  })
})
