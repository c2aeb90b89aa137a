import { describe, expect, test } from 'vitest'
import { ALERT_NAMES, type AlertName } from '../../schemas/alert.ts'
import { dueLetters, evaluate, type Observation, type View } from '../../src/alerts/evaluate.ts'
import { circuitOpenedAt } from '../../src/alerts/observe.ts'
import type { AlertState } from '../../src/store/port/alerts.ts'

const START = Date.parse('2026-03-01T00:00:00Z')
const MINUTE = 60_000
const QUIET: View = { observations: [], letters: [], newestLetters: new Map(), reconciled: [] }

/** A receiver that has been there for a while, and what it is told. */
function receiver({ on = ALERT_NAMES, isNew = false }: { on?: readonly AlertName[]; isNew?: boolean } = {}) {
  const states = new Map<string, AlertState>()
  let now = START
  const see = (view: Partial<View>): string[] => {
    const { put, remove, notices } = evaluate({ key: 'ops', on }, states, { ...QUIET, ...view }, now)
    for (const { subject } of remove) states.delete(subject)
    for (const state of put) states.set(state.subject, state)
    return notices.map(({ name, id, count }) => `${name} ${id}${count === null ? '' : ` ${count}`}`)
  }
  if (!isNew) see({})
  return {
    see,
    states,
    pass: (ms: number) => {
      now += ms
    },
    get now() {
      return now
    },
    /** One thing as it is now. */
    is: (kind: Observation['kind'], condition: Observation['condition'], since: number | null = null) =>
      see({ observations: [{ kind, id: 'x', condition, since, reason: null }] }),
    letters: (newest: number, count: number) => {
      const newestLetters = new Map([['mail', newest]])
      const letters = dueLetters(states, newestLetters, now).map(({ id }) => ({
        destination: id,
        newest,
        count,
        lastError: 'no',
      }))
      return see({ newestLetters, letters })
    },
  }
}

describe('a trouble', () => {
  test.each<[Observation['kind'], Observation['condition'], number, string]>([
    ['endpoint', 'failing', 5 * MINUTE, 'endpoint.failing x'],
    ['endpoint', 'disabled', 0, 'endpoint.disabled x'],
    ['connection', 'failing', 15 * MINUTE, 'connection.failing x'],
    ['connection', 'stopped', 0, 'connection.stopped x'],
    ['publishing', 'refused', MINUTE / 2, 'publishing.refused x'],
  ])('%s %s is announced after %d ms, and once', (kind, condition, delay, notice) => {
    const { is, pass } = receiver()
    if (delay > 0) {
      expect(is(kind, condition)).toEqual([])
      pass(delay - 1)
      expect(is(kind, condition)).toEqual([])
      pass(1)
    }
    expect(is(kind, condition)).toEqual([notice])
    pass(60 * MINUTE)
    expect(is(kind, condition)).toEqual([])
  })

  test('that ends before it is announced is not announced, and neither is its end', () => {
    const one = receiver()
    one.is('connection', 'failing')
    one.pass(14 * MINUTE)
    one.is('connection', 'failing')
    expect(one.is('connection', 'ok', one.now)).toEqual([])
    one.pass(2 * MINUTE)
    expect(one.is('connection', 'failing')).toEqual([])
  })

  test('that was announced and ends is announced as recovered, once; the next trouble is announced again', () => {
    const one = receiver()
    one.is('connection', 'stopped')
    one.pass(MINUTE)
    expect(one.is('connection', 'ok', one.now)).toEqual(['connection.recovered x'])
    expect(one.is('connection', 'ok', one.now)).toEqual([])
    expect(one.is('connection', 'stopped')).toEqual(['connection.stopped x'])
  })

  test('is not over before something worked again: a resumed endpoint, a connection configured anew', () => {
    const one = receiver()
    const worked = one.now - MINUTE
    one.is('endpoint', 'disabled', one.now)
    expect(one.is('endpoint', 'ok', worked)).toEqual([])
    expect(one.is('endpoint', 'unknown')).toEqual([])
    expect(one.is('endpoint', 'disabled', one.now)).toEqual([])
    one.pass(MINUTE)
    expect(one.is('endpoint', 'ok', one.now)).toEqual(['endpoint.recovered x'])
  })

  test('that becomes another one is announced as the other', () => {
    const one = receiver()
    one.is('endpoint', 'failing', one.now)
    one.pass(5 * MINUTE)
    expect(one.is('endpoint', 'failing', one.now)).toEqual(['endpoint.failing x'])
    expect(one.is('endpoint', 'disabled', one.now)).toEqual(['endpoint.disabled x'])
  })

  test('of something that was removed is forgotten without a word', () => {
    const one = receiver()
    one.is('endpoint', 'disabled', one.now)
    expect(one.see({})).toEqual([])
    expect(one.states.has('endpoint/x')).toBe(false)
  })

  test('waits no longer because a wrong clock was put right', () => {
    const one = receiver()
    one.pass(600 * MINUTE)
    one.is('connection', 'failing')
    one.pass(-600 * MINUTE)
    one.is('connection', 'failing')
    one.pass(15 * MINUTE)
    expect(one.is('connection', 'failing')).toEqual(['connection.failing x'])
  })
})

describe('a receiver', () => {
  test('is told of nothing but what it asked for, and of recoveries only after a trouble it was told of', () => {
    const one = receiver({ on: ['connection.stopped', 'connection.recovered'] })
    one.is('connection', 'failing')
    one.pass(20 * MINUTE)
    expect(one.is('connection', 'failing')).toEqual([])
    one.pass(1)
    expect(one.is('connection', 'ok', one.now)).toEqual([])
    expect(one.is('connection', 'stopped')).toEqual(['connection.stopped x'])
    one.pass(1)
    expect(one.is('connection', 'ok', one.now)).toEqual(['connection.recovered x'])
  })

  test('that asked for recoveries only is told of each', () => {
    const one = receiver({ on: ['endpoint.recovered'] })
    expect(one.is('endpoint', 'disabled', one.now)).toEqual([])
    one.pass(1)
    expect(one.is('endpoint', 'ok', one.now)).toEqual(['endpoint.recovered x'])
  })

  test('that is new is told of troubles there are, but not of older dead letters and reconciliations', () => {
    const one = receiver({ isNew: true })
    const reconciled = [{ connection: 'shop', at: START - 1, events: 4 }]
    const observations = [{ kind: 'endpoint', id: 'x', condition: 'disabled', since: START, reason: null } as const]
    expect(one.see({ newestLetters: new Map([['mail', 9]]), reconciled, observations })).toEqual([
      'endpoint.disabled x',
    ])
    expect(one.letters(9, 9)).toEqual([])
    expect(one.letters(11, 2)).toEqual(['dead-letter mail 2'])
  })
})

describe('dead letters', () => {
  test('are announced at most once in 10 minutes for each destination, with their count', () => {
    const one = receiver()
    expect(one.letters(1, 1)).toEqual(['dead-letter mail 1'])
    one.pass(MINUTE)
    expect(one.letters(5, 4)).toEqual([])
    one.pass(9 * MINUTE - 1)
    expect(one.letters(8, 7)).toEqual([])
    one.pass(1)
    expect(one.letters(8, 7)).toEqual(['dead-letter mail 7'])
    one.pass(60 * MINUTE)
    expect(one.letters(8, 0)).toEqual([])
  })

  test('keep to the limit when they were redriven meanwhile', () => {
    const one = receiver()
    one.letters(1, 1)
    one.see({})
    one.pass(MINUTE)
    expect(one.letters(2, 1)).toEqual([])
  })
})

test('a reconciliation that found events is announced once, and one that found none is not', () => {
  const one = receiver()
  const shop = (at: number, events: number) => one.see({ reconciled: [{ connection: 'shop', at, events }] })
  expect(shop(START, 3)).toEqual(['reconcile.found shop 3'])
  expect(shop(START, 3)).toEqual([])
  expect(shop(START + 1, 0)).toEqual([])
  expect(shop(START + 2, 1)).toEqual(['reconcile.found shop 1'])
})

describe('by its attempts a circuit is', () => {
  const failures = (count: number, { everyMs = 1_000, orders = 3 } = {}) =>
    Array.from({ length: count }, (_, index) => ({ at: START + index * everyMs, orderKey: `shop/${index % orders}` }))

  test('open from the tenth failure on', () => {
    expect(circuitOpenedAt(failures(9))).toBeNull()
    expect(circuitOpenedAt(failures(30))).toBe(START + 9_000)
  })
  test('closed while fewer than three orders failed, or for less than five seconds', () => {
    expect(circuitOpenedAt(failures(100, { orders: 2 }))).toBeNull()
    expect(circuitOpenedAt(failures(12, { everyMs: 100 }))).toBeNull()
    expect(circuitOpenedAt(failures(60, { everyMs: 100 }))).toBe(START + 5_000)
  })
})
