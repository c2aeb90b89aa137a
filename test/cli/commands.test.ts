import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createClient } from '../../src/cli/client.ts'
import type { CommandContext, Flags } from '../../src/cli/command.ts'
import { listConnections, showConnection } from '../../src/cli/commands/connections.ts'
import {
  discardDeadLetters,
  listDeadLetters,
  redriveDeadLetters,
  showDeadLetter,
} from '../../src/cli/commands/dead-letters.ts'
import { listDeliveries, showDelivery } from '../../src/cli/commands/deliveries.ts'
import {
  listDestinations,
  pauseDestination,
  resumeDestination,
  retryDestination,
  showDestination,
} from '../../src/cli/commands/destinations.ts'
import { addEndpoint, listEndpoints, testEndpoint, updateEndpoint } from '../../src/cli/commands/endpoints.ts'
import { events } from '../../src/cli/commands/events.ts'
import { listKeys } from '../../src/cli/commands/keys.ts'
import { showOrder } from '../../src/cli/commands/orders.ts'
import { listQuarantine, retryQuarantine } from '../../src/cli/commands/quarantine.ts'
import { replay } from '../../src/cli/commands/replay.ts'
import { status, watchStatus } from '../../src/cli/commands/status.ts'
import { createOutput } from '../../src/cli/output.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import { env, type Harness, NOW, openHarness } from '../api/harness.ts'
import { memoryClock } from '../helpers/memory-clock.ts'

/** The commands, on the API of a store of their own. */

let api: Harness
/** Answers instead of the API, by method and path. */
let answers: Map<string, unknown>
let asked: { method: string; path: string; body: unknown }[]
beforeEach(async () => {
  api = await openHarness()
  answers = new Map()
  asked = []
})
afterEach(() => api.close())

type Run = (context: CommandContext) => Promise<void>

/** What a command prints, and how it ends. */
async function outcome(json: boolean, run: Run, own: Partial<CommandContext> = {}) {
  let text = ''
  const client = createClient({
    target: 'the harness',
    fetch: async (path, init) => {
      const method = init.method ?? 'GET'
      asked.push({ method, path, body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined })
      const answer = answers.get(`${method} ${path.split('?')[0]}`)
      return answer === undefined ? api.app.request(path, init, env()) : Response.json(answer)
    },
  })
  const context: CommandContext = {
    client,
    output: createOutput(json, {
      write: more => {
        text += more
      },
    }),
    signal: new AbortController().signal,
    progress: () => {},
    confirm: async () => true,
    ...own,
  }
  const error = await run(context).then(
    () => null,
    (error: Error) => error.message,
  )
  return { text, error }
}

const printed = async (run: Run) => (await outcome(false, run)).text
const failure = async (run: Run) => (await outcome(false, run)).error
const jsonLines = async (run: Run) =>
  (await outcome(true, run)).text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))

/** The first event is given up for this destination, after one attempt. */
async function giveUp(destination: string, seeded: readonly EventRecord[]): Promise<EventRecord> {
  const [event] = seeded
  if (!event) throw new Error('no event was seeded')
  const { id: eventId, orderKey } = event
  await api.store.lanes.spill([{ destination, event, origin: 'live' }], { nextAt: NOW, attempt: 1 })
  const attempt = { attempt: 1, at: NOW, outcome: 'dead', origin: 'live', statusCode: 500, ms: 20 } as const
  const told = { error: 'it answered 500', response: 'column "sku" too short \u001b[2J' }
  await api.store.deliveries.record([{ destination, eventId, orderKey, ...attempt, ...told }])
  const letter = { destination, orderKey, eventId, at: NOW, attempts: 1, lastError: told.error, hold: false }
  await api.store.lanes.deadLetter(letter)
  return event
}

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

describe('dead letters', () => {
  const add = async () => {
    await api.call('POST', '/v1/endpoints', { body: { id: 'billing', url: 'https://hooks.example/' } })
    await giveUp('billing', await api.seed('shop', 'o-1'))
    const [letter] = await jsonLines(context => listDeadLetters(context, {}))
    return letter
  }

  test('show prints one, or says that there is none', async () => {
    const { id } = await add()
    expect(JSON.parse(await printed(context => showDeadLetter(context, id)))).toMatchObject({ id })
    expect(await failure(context => showDeadLetter(context, 'no'))).toContain('There is no dead letter "no"')
  })

  test('redrive --dry-run prints those that fit, and queues nothing', async () => {
    await add()
    const fits = async (flags: Flags) =>
      (await jsonLines(context => redriveDeadLetters(context, [], { ...flags, dryRun: true }))).length
    expect(await fits({ to: 'billing' })).toBe(1)
    expect(await fits({ type: ['order.paid'] })).toBe(1)
    expect(await fits({ type: ['order.shipped'] })).toBe(0)
    expect(await fits({ since: new Date(NOW + 1).toISOString() })).toBe(0)
    expect(await fits({ until: new Date(NOW).toISOString() })).toBe(0)
    expect((await jsonLines(context => listDeadLetters(context, {}))).length).toBe(1)
  })

  test('redrive queues those that fit the filters', async () => {
    await add()
    const redrive = (flags: Flags) => printed(context => redriveDeadLetters(context, [], flags))
    expect(await redrive({ type: ['order.shipped'] })).toBe('0 dead letters queued again, in order\n')
    expect(await redrive({ to: 'billing', type: ['order.paid'] })).toBe('1 dead letter queued again, in order\n')
    expect(await failure(context => redriveDeadLetters(context, [], {}))).toContain('or --all')
    expect(await failure(context => redriveDeadLetters(context, ['1'], { to: 'billing' }))).toContain('not both')
  })

  test('discard wants a reason, asks first, and names what it discards', async () => {
    answers.set('POST /v1/dead-letters/discard', { discarded: 2 })
    expect(await failure(context => discardDeadLetters(context, ['1', '2'], {}))).toContain('--reason')
    expect(await failure(context => discardDeadLetters(context, [], { reason: 'x' }))).toContain('--to DESTINATION')
    const declined = await outcome(false, context => discardDeadLetters(context, ['1'], { reason: 'x' }), {
      confirm: async () => false,
    })
    expect([declined.error, asked]).toEqual(['Nothing was discarded.', []])
    expect(await printed(context => discardDeadLetters(context, ['1', '2'], { reason: 'x' }))).toBe(
      '2 dead letters discarded\n',
    )
    expect(asked.at(-1)?.body).toEqual({ ids: ['1', '2'], reason: 'x' })
    await printed(context => discardDeadLetters(context, [], { to: 'billing', reason: 'x' }))
    expect(asked.at(-1)?.body).toEqual({ destination: 'billing', reason: 'x' })
  })
})

describe('endpoints', () => {
  test('update changes what is named, and an empty value clears', async () => {
    await printed(context =>
      addEndpoint(context, 'https://a.example/', { id: 'a', type: ['order.paid'], description: 'x' }),
    )
    const text = await printed(context => updateEndpoint(context, 'a', { url: 'https://b.example/' }))
    expect(text).toBe('a  active  https://b.example/  order.paid\n')
    await printed(context => updateEndpoint(context, 'a', { type: [''], description: '' }))
    const { body } = await api.call('GET', '/v1/endpoints/a')
    expect([body.url, body.types, body.description]).toEqual(['https://b.example/', null, null])
    expect(await failure(context => updateEndpoint(context, 'a', {}))).toContain('name what to change')
  })

  test('test --type --show asks for a sample and prints the answer', async () => {
    answers.set('POST /v1/endpoints/a/test', { statusCode: 500, ms: 3, error: 'it answered 500', response: 'no "sku"' })
    const { text, error } = await outcome(false, context =>
      testEndpoint(context, 'a', { type: 'order.paid', show: true }),
    )
    expect([text, error]).toEqual([
      'a answered 500 in 3 ms: it answered 500\n  no "sku"\n',
      'a did not take the test event.',
    ])
    expect(asked.at(-1)?.body).toEqual({ type: 'order.paid' })
  })
})

test('replay --dry-run says how much would be delivered, and queues nothing', async () => {
  await api.call('POST', '/v1/endpoints', { body: { id: 'billing', url: 'https://hooks.example/' } })
  await api.seed('shop', 'o-1')
  answers.set('POST /v1/destinations/billing/replay', {
    events: 2,
    orders: 1,
    alreadyDelivered: 1,
    estimatedSeconds: 1,
  })
  const text = await printed(context => replay(context, { to: 'billing', order: 'o-1', dryRun: true }))
  expect(text).toContain('2 events of 1 order would be queued for billing, about 1 s; 1 of them were delivered before')
  expect(asked.at(-1)).toEqual({
    method: 'POST',
    path: '/v1/destinations/billing/replay?preview=true',
    body: { order: 'o-1' },
  })
})

test('quarantine list shows an entry with what was found, and retry has its order read again', async () => {
  const doubts = [{ path: 'refundedAmount', value: '"x\u001b[2J"', reason: 'expected an amount' }]
  await api.seed('shop', 'o-1', { doubts })
  const [entry] = await jsonLines(context => listQuarantine(context, { order: 'o-1' }))
  const text = await printed(context => listQuarantine(context, { connection: 'shop' }))
  expect(text).toContain('shop/o-1  refundedAmount: expected an amount (found "x\\u001b[2J")')
  expect(await printed(context => retryQuarantine(context, entry.id))).toContain('is read again soon')
  expect(await failure(context => retryQuarantine(context, 'no'))).toContain('no quarantine entry')
  expect(await jsonLines(context => listQuarantine(context, { order: 'unknown' }))).toEqual([])
})
