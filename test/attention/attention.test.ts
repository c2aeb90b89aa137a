import { describe, expect, test } from 'vitest'
import type { Connection, Destination } from '../../schemas/api.ts'
import { attention } from '../../src/attention/attention.ts'
import type { Situation } from '../../src/attention/situation.ts'

const NOW = Date.parse('2026-03-05T12:00:00.000Z')
const ago = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString()

const connection = (own: Partial<Connection> = {}): Connection => ({
  id: 'shop',
  vendor: 'shoplazza',
  enabled: true,
  state: 'ok',
  cursor: ago(0),
  lagSeconds: 2,
  clock: null,
  lastSuccessAt: ago(0),
  nextPollAt: null,
  lastError: null,
  ordersTracked: 1,
  quarantined: 0,
  webhooks: null,
  reconcile: null,
  ...own,
})

const destination = (own: Partial<Destination> = {}): Destination => ({
  id: 'billing',
  kind: 'endpoint',
  state: 'active',
  stateReason: null,
  restingUntil: null,
  lastError: null,
  failingSince: null,
  failuresInRow: 0,
  lastSuccessAt: ago(1),
  nextAttemptAt: null,
  backlog: 0,
  oldestWaitingSeconds: null,
  deadLetters: 0,
  expiredDeadLetters: 0,
  successRate: 1,
  latencyMs: { p50: 5, p99: 9 },
  ...own,
})

const QUIET: Situation = {
  now: NOW,
  connections: [connection()],
  unpublished: [],
  destinations: [destination()],
  deadLetters: [],
  expired: new Map(),
  quarantine: [],
  failing: [],
  notice: null,
  standby: false,
}
const found = (own: Partial<Situation>) => attention({ ...QUIET, ...own })
const kinds = (own: Partial<Situation>) => found(own).map(({ kind }) => kind)
const ofConnection = (own: Partial<Connection>) => found({ connections: [connection(own)] })
const ofDestination = (own: Partial<Destination>) => found({ destinations: [destination(own)] })

describe('what needs attention', () => {
  test('is nothing while all works', () => {
    expect(found({})).toEqual([])
  })

  test('is listed worst first, and of one severity the longest first', () => {
    const list = found({
      standby: true,
      quarantine: [{ connection: 'shop', count: 2, since: NOW - 5, reason: 'no amount' }],
      connections: [connection({ state: 'stopped', lastSuccessAt: ago(5) })],
      destinations: [
        destination({ id: 'old', state: 'open', failingSince: ago(50) }),
        destination({ id: 'new', state: 'open', failingSince: ago(1) }),
      ],
    })
    expect(list.map(({ subject, severity }) => [severity, subject])).toEqual([
      ['critical', 'old'],
      ['critical', 'shop'],
      ['critical', 'new'],
      ['warning', 'shop'],
      ['info', 'process'],
    ])
  })
})

describe('a connection needs attention', () => {
  test('when it is stopped, with the words of the vendor and the poll that probes it', () => {
    expect(ofConnection({ state: 'stopped', lastError: '401 no such token', lastSuccessAt: ago(9) })).toEqual([
      {
        kind: 'connection.stopped',
        severity: 'critical',
        subject: 'shop',
        since: NOW - 9 * 60_000,
        sentence: 'shop is stopped: the vendor refuses its credentials.',
        reason: '401 no such token',
        actions: [
          { name: 'Poll now', method: 'POST', path: '/v1/connections/shop/poll' },
          { name: 'Look', method: 'GET', path: '/v1/connections/shop' },
        ],
      },
    ])
  })

  test('when it is failing, but not for its lag as well', () => {
    expect(ofConnection({ state: 'failing', lagSeconds: 9000, lastSuccessAt: null })).toMatchObject([
      { kind: 'connection.failing', sentence: 'shop is failing and was never read.' },
    ])
  })

  test('when it is more than 10 minutes behind', () => {
    expect(ofConnection({ lagSeconds: 600 })).toEqual([])
    expect(ofConnection({ lagSeconds: 725 })).toMatchObject([
      { kind: 'connection.behind', severity: 'warning', sentence: 'shop is 12 min behind its vendor.' },
    ])
  })

  test('when its webhooks are silent, its clock is off, or reconciliation found events within a day', () => {
    const reconcile = { lastAt: ago(60), nextAt: null, orders: 9, events: 1, lastError: null }
    const list = ofConnection({
      webhooks: { lastReceivedAt: ago(90), silent: true },
      clock: { aheadSeconds: 900, warning: 'The clock is 15 min ahead.' },
      reconcile,
    })
    expect(list).toMatchObject([
      { kind: 'connection.webhooks-silent', since: NOW - 90 * 60_000 },
      { kind: 'reconcile.found', sentence: expect.stringContaining('published 1 event that no poll had found') },
      { kind: 'connection.clock', reason: 'The clock is 15 min ahead.' },
    ])
    expect(ofConnection({ reconcile: { ...reconcile, lastAt: ago(25 * 60) } })).toEqual([])
    expect(ofConnection({ reconcile: { ...reconcile, events: 0 } })).toEqual([])
  })

  test('when the event log has not taken its events for more than a minute', () => {
    const waiting = (ms: number) =>
      kinds({ unpublished: [{ connection: 'shop', count: 3, oldestObservedAt: NOW - ms }] })
    expect(waiting(60_000)).toEqual([])
    expect(waiting(61_000)).toEqual(['publishing.refused'])
  })

  test('not at all when the configuration turned it off', () => {
    expect(ofConnection({ enabled: false, state: 'stopped', lagSeconds: 9e9 })).toEqual([])
  })
})

describe('a destination needs attention', () => {
  test('when its circuit is open: for how long, why, and how much waits', () => {
    expect(ofDestination({ state: 'open', failingSince: ago(12), lastError: 'answered 500', backlog: 31 })).toEqual([
      {
        kind: 'destination.open',
        severity: 'critical',
        subject: 'billing',
        since: NOW - 12 * 60_000,
        sentence: 'billing has failed for 12 min: its circuit is open, and only probes are sent. 31 events wait.',
        reason: 'answered 500',
        actions: [
          { name: 'Try all now', method: 'POST', path: '/v1/destinations/billing/retry' },
          { name: 'Look', method: 'GET', path: '/v1/deliveries?destination=billing' },
          { name: 'Pause', method: 'POST', path: '/v1/destinations/billing/pause' },
        ],
      },
    ])
  })

  test('when it is disabled, with the reason', () => {
    expect(ofDestination({ state: 'disabled', stateReason: 'It answered 410.', lastError: 'x' })).toMatchObject([
      { kind: 'destination.disabled', severity: 'critical', reason: 'It answered 410.' },
    ])
  })

  test('when none of its last 20 attempts was acknowledged', () => {
    expect(ofDestination({ failuresInRow: 19 })).toEqual([])
    expect(ofDestination({ failuresInRow: 20 })).toMatchObject([{ kind: 'destination.failing' }])
  })

  test('when it rests', () => {
    expect(ofDestination({ restingUntil: ago(-7) })).toMatchObject([
      { kind: 'destination.resting', sentence: 'billing asked for rest, and is sent nothing for another 7 min.' },
    ])
  })

  test('when its oldest event has waited more than 15 minutes, paused or not', () => {
    const waiting = { backlog: 1, oldestWaitingSeconds: 901 }
    expect(ofDestination({ ...waiting, oldestWaitingSeconds: 900 })).toEqual([])
    expect(ofDestination(waiting)).toMatchObject([
      { kind: 'destination.waiting', sentence: 'The oldest event of billing has waited 15 min. 1 event waits.' },
    ])
    expect(ofDestination({ ...waiting, state: 'paused' })).toMatchObject([
      { kind: 'destination.paused', actions: [{ name: 'Resume' }, { name: 'Look' }] },
    ])
    expect(ofDestination({ state: 'paused' })).toEqual([])
  })

  test('once, with the worst of its troubles', () => {
    const worst = { state: 'open', failuresInRow: 99, restingUntil: ago(-7), oldestWaitingSeconds: 9000 } as const
    expect(ofDestination(worst).map(({ kind }) => kind)).toEqual(['destination.open'])
  })
})

describe('what else needs attention', () => {
  test('dead letters, one entry for each destination and error, with the redrive of just those', () => {
    const group = { destination: 'billing', error: 'answered 500', count: 3, firstAt: NOW - 60_000, lastAt: NOW - 1000 }
    expect(found({ deadLetters: [group] })).toMatchObject([
      {
        kind: 'dead-letter',
        subject: 'billing',
        since: NOW - 60_000,
        reason: 'answered 500',
        sentence: 'billing did not get 3 events of the last 24 hours; the latest was given up 1 s ago.',
        actions: [{ body: { destination: 'billing', error: 'answered 500' } }],
      },
    ])
  })

  test('dead letters that retention deleted, for a week', () => {
    const expired = (days: number) => ({
      expired: new Map([['billing', { count: 4, lastAt: NOW - days * 86_400_000 }]]),
    })
    expect(kinds(expired(6))).toEqual(['dead-letter.expired'])
    expect(kinds(expired(7))).toEqual([])
  })

  test('quarantine, by connection', () => {
    const quarantine = [{ connection: 'shop', count: 1, since: NOW - 9, reason: 'no amount' }]
    expect(found({ quarantine })).toMatchObject([
      {
        kind: 'quarantine',
        subject: 'shop',
        reason: 'no amount',
        sentence: expect.stringMatching(/^shop has 1 quarantine entry:/),
      },
    ])
  })

  test('a store or a log that does not work, and a log that went back', () => {
    const failing = [
      { part: 'store', sentence: 'No answer.' },
      { part: 'event-log', sentence: 'No broker.' },
    ] as const
    expect(kinds({ failing, notice: 'It went back.' })).toEqual([
      'event-log.failing',
      'store.failing',
      'event-log.went-back',
    ])
  })

  test('a process that stands by, whose idle parts are no trouble', () => {
    const failing = [{ part: 'dispatch', sentence: 'the dispatcher is not running' }] as const
    expect(kinds({ failing })).toEqual(['dispatch.failing'])
    expect(kinds({ failing, standby: true })).toEqual(['process.standby'])
  })
})
