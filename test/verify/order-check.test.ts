import { describe, expect, test } from 'vitest'
import { decide } from '../../src/order/decide.ts'
import { NEW_ORDER } from '../../src/order/state.ts'
import { eventFaults, orderFaults } from '../../src/verify/order-check.ts'
import { paid, parcel, snapshot } from '../helpers/snapshots.ts'

const shown = snapshot({ orderId: 'a', paid: paid(), packages: [parcel('p-1'), parcel('p-2')] })
const { events, state } = decide(NEW_ORDER, { connection: 'shop', vendor: 'shoplazza', snapshot: shown, observedAt: 5 })
const [first, second, third] = events
if (!first || !second || !third) throw new Error('there are three events')

describe('an order', () => {
  const checks = (kept: typeof events, own: object = {}, untouched = true) =>
    orderFaults(
      { connection: 'shop', orderId: 'a', observedAt: 5, state: JSON.stringify({ ...state, ...own }), events: kept },
      untouched,
    ).map(([check]) => check)

  test('with all its events is right', () => {
    expect(checks(events)).toEqual([])
    expect(checks([], { sequence: 0, said: [] })).toEqual([])
  })

  test('without one in the middle has a gap', () => {
    expect(checks([first, third])).toEqual(['order.gap'])
    expect(checks([first, third], {}, false)).toEqual(['order.gap'])
  })

  test('without its first events is right only where retention may have taken them', () => {
    expect(checks([second, third])).toEqual(['order.gap'])
    expect(checks([second, third], {}, false)).toEqual([])
    expect(checks([])).toEqual(['order.sequence'])
    expect(checks([], {}, false)).toEqual([])
  })

  test('without its last event is not where its state is', () => {
    expect(checks([first, second], {}, false)).toEqual(['order.sequence'])
  })

  test('with an event more than its state remembers', () => {
    expect(checks(events, { sequence: 2, said: state.said.slice(0, 2) })).toEqual(['order.sequence', 'order.unsaid'])
  })

  test('with an event of another fact than those remembered', () => {
    expect(checks(events, { said: ['paid', 'shipped:p-1', 'cancelled'] })).toEqual(['order.unsaid'])
  })

  test.each([{ said: 'paid' }, { sequence: 'three' }, { said: ['paid', 'paid', 'shipped:p-1'] }, { said: ['paid'] }])(
    'whose state is %j cannot be right',
    own => {
      expect(checks(events, own)).toContain('order.state')
    },
  )

  test('whose state is no JSON', () => {
    const order = { connection: 'shop', orderId: 'a', observedAt: 5, state: '{', events }
    expect(orderFaults(order, true)).toEqual([['order.state', 'its state cannot be read: no JSON']])
  })
})

describe('an event', () => {
  const faults = (own: object) => eventFaults({ n: 1, ...first, hasOrder: true, ...own })

  test('that is what it says it is is right', () => {
    expect(events.flatMap(event => eventFaults({ n: 1, ...event, hasOrder: true }))).toEqual([])
  })

  test.each([
    'id',
    'type',
    'connection',
    'orderId',
    'orderKey',
    'occurredAtSource',
    'sequence',
    'occurredAt',
    'observedAt',
  ] as const)('under another %s disagrees', column => {
    const other = typeof first[column] === 'number' ? 77 : 'other'
    expect(new Set(faults({ [column]: other }).map(([check]) => check))).toEqual(new Set(['event.disagrees']))
  })

  test.each(['{', '[]', first.body.replace('"order.paid"', '"order.lost"'), first.body.replace('"20.00"', '"20,00"')])(
    'whose body is not by the schema is unreadable: %s',
    body => {
      expect(faults({ body }).map(([check]) => check)).toEqual(['event.unreadable'])
    },
  )

  test('whose order is not remembered', () => {
    expect(faults({ hasOrder: false }).map(([check]) => check)).toEqual(['event.no_order'])
  })
})
