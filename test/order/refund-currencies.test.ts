import { describe, expect, test } from 'vitest'
import type { RefundRecord, RefundView } from '../../schemas/order.ts'
import type { OrderEvent } from '../../schemas/order-event.ts'
import { decide } from '../../src/order/decide.ts'
import type { OrderState } from '../../src/order/state.ts'
import { OBSERVED_AT, observer } from '../helpers/decided.ts'
import { paid, refundRecord, refundTotal, snapshot } from '../helpers/snapshots.ts'

const record = (id: string, amount: string | null, currency: string | null): RefundRecord => ({
  ...refundRecord(id, amount),
  currency,
})
const withRecords = (records: RefundRecord[], own: Partial<RefundView> = {}) =>
  snapshot({ paid: paid(), refund: refundTotal(null, { records, ...own }) })
const refunds = (events: readonly OrderEvent[]) =>
  events.flatMap(event => {
    if (event.type !== 'order.refunded') return []
    const { refundId, amount, currency, totalRefunded, full } = event.data.refund
    return [[refundId, amount, currency, totalRefunded, full]]
  })

describe('refund records in two currencies', () => {
  test('case 45: are not added, and the event does not say whether the refund is full', () => {
    const order = observer()
    order.see(withRecords([record('r-1', '5.00', 'USD'), record('r-2', '4.00', 'EUR')], { full: true }))
    order.see(
      withRecords([record('r-1', '5.00', 'USD'), record('r-2', '4.00', 'EUR'), record('r-3', '15.00', 'USD')], {}),
    )
    expect(refunds(order.all)).toEqual([
      ['r-1', '5.00', 'USD', '5.00', null],
      ['r-2', '4.00', 'EUR', '4.00', null],
      ['r-3', '15.00', 'USD', '20.00', null],
    ])
  })

  test("case 45: a refund in another currency than the order's is never called full", () => {
    const order = observer()
    order.see(withRecords([record('r-1', '2000', 'JPY')], { full: true, total: '20.00' }))
    expect(refunds(order.all)).toEqual([['r-1', '2000', 'JPY', '2000', null]])
  })

  test('case 34: keep the minor digits of each currency', () => {
    const order = observer()
    order.see(
      withRecords([
        record('r-1', '500', 'JPY'),
        record('r-2', '3.25', 'USD'),
        record('r-3', '1.250', 'KWD'),
        record('r-4', '700', 'JPY'),
        record('r-5', '0.005', 'KWD'),
      ]),
    )
    expect(refunds(order.all).map(([, , currency, total]) => [currency, total])).toEqual([
      ['JPY', '500'],
      ['USD', '3.25'],
      ['KWD', '1.250'],
      ['JPY', '1200'],
      ['KWD', '1.255'],
    ])
  })

  test('an amount that cannot be read makes the total of its own currency unknown, and no other', () => {
    const order = observer()
    order.see(withRecords([record('r-1', null, 'EUR'), record('r-2', '3.00', 'USD'), record('r-3', '1.00', 'EUR')]))
    expect(refunds(order.all).map(([id, , , total]) => [id, total])).toEqual([
      ['r-1', null],
      ['r-2', '3.00'],
      ['r-3', null],
    ])
  })

  test("are not waited for because their sum is below the order's total", () => {
    const order = observer()
    const { decision } = order.see(
      withRecords([record('r-1', '5.00', 'USD'), record('r-2', '4.00', 'EUR')], { total: '9.40' }),
    )
    expect(decision.recheckAt).toBeNull()
  })
})

describe('a finished refund record of zero', () => {
  test('case 44: is no refund', () => {
    const order = observer()
    order.see(withRecords([record('r-0', '0.00', 'USD')]))
    order.see(withRecords([record('r-0', '0', 'JPY'), record('r-1', '5.00', 'USD')]))
    expect(refunds(order.all)).toEqual([['r-1', '5.00', 'USD', '5.00', false]])
  })

  test('case 44: does not make records the way that refunds are counted', () => {
    const order = observer()
    const shown = withRecords([record('r-0', '0.00', 'USD')], { total: '5.00' })
    order.see(shown)
    order.see(shown, OBSERVED_AT + 600_000)
    expect(refunds(order.all)).toEqual([['0.00-5.00', '5.00', 'USD', '5.00', false]])
  })
})

describe('an order whose refunds version 1.0 published', () => {
  const see = (state: OrderState, records: RefundRecord[]) => {
    const decision = decide(state, {
      connection: 'shop',
      vendor: 'shoplazza',
      snapshot: withRecords(records),
      observedAt: OBSERVED_AT,
    })
    return refunds(decision.events.map(({ body }) => JSON.parse(body) as OrderEvent))
  }
  const published = (refundTotal: string, ...ids: string[]): OrderState => ({
    sequence: 1 + ids.length,
    said: ['paid', ...ids.map(id => `refunded:${id}`)],
    refundBasis: 'records',
    refundTotal,
    refundWaiting: null,
    deliveredBy: null,
    unidentifiedPackages: 0,
  })

  test('goes on from its sum where all records are in one currency', () => {
    expect(see(published('5.00', 'r-1'), [record('r-1', '5.00', 'USD'), record('r-2', '15.00', 'USD')])).toEqual([
      ['r-2', '15.00', 'USD', '20.00', true],
    ])
  })

  test('adds its records again, by currency, where the sum was over two', () => {
    const shown = [record('r-1', '5.00', 'USD'), record('r-2', '4.00', 'EUR'), record('r-3', '1.00', 'EUR')]
    expect(see(published('9.00', 'r-1', 'r-2'), shown)).toEqual([['r-3', '1.00', 'EUR', '5.00', null]])
    expect(see(published('12.00', 'r-0', 'r-1', 'r-2'), shown)).toEqual([['r-3', '1.00', 'EUR', null, null]])
  })
})

describe('a running total whose currency changes', () => {
  test('case 45: is published without an amount, because totals in two currencies have no difference', () => {
    const order = observer()
    order.see(snapshot({ paid: paid(), currency: 'USD', refund: refundTotal('5.00') }))
    order.see(snapshot({ paid: paid(), currency: 'EUR', refund: refundTotal('12.00') }))
    order.see(snapshot({ paid: paid(), currency: 'EUR', refund: refundTotal('13.00') }))
    expect(refunds(order.all)).toEqual([
      ['0.00-5.00', '5.00', 'USD', '5.00', false],
      ['5.00-12.00', null, 'EUR', '12.00', null],
      ['12.00-13.00', '1.00', 'EUR', '13.00', false],
    ])
  })
})
