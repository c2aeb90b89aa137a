import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { OrderSnapshot } from '../../../schemas/order.ts'
import { SHOPLAZZA_FINANCIAL_STATUSES, SHOPLAZZA_PAID } from '../../../schemas/vendor/shoplazza.ts'
import { readShoplazzaOrder } from '../../../src/sources/shoplazza/shoplazza-row.ts'

const fixture = (version: string) =>
  JSON.parse(readFileSync(new URL(`../../fixtures/shoplazza/order-${version}.json`, import.meta.url), 'utf8'))

/** The snapshot of a row, which must be one. */
function snapshotOf(row: unknown): OrderSnapshot {
  const read = readShoplazzaOrder(row)
  return OrderSnapshot.parse(read)
}

const ORDER = {
  id: 'o1',
  number: '7',
  status: 'placed',
  financial_status: 'waiting',
  fulfillment_status: 'waiting',
  currency: 'USD',
  total_price: '20.00',
  total_paid: '0.00',
  total_refund_price: '0.00',
  placed_at: '2026-03-02T10:00:00Z',
  updated_at: '2026-03-02T11:00:00Z',
}
const PACKAGE = {
  id: 'f1',
  status: 'shipped',
  tracking_company: 'DHL',
  tracking_number: 'T1',
  created_at: '2026-03-02T10:30:00Z',
  updated_at: '2026-03-02T10:45:00Z',
}
const updated = (at: string) => ({ at: `2026-03-02T${at}.000Z`, source: 'updated' })

describe('the published shapes', () => {
  test('a full order of 2022-01', () => {
    expect(snapshotOf(fixture('2022-01'))).toEqual({
      orderId: '288263-00421',
      orderNumber: '1005',
      currency: 'USD',
      total: '58.97',
      placedAt: '2026-03-02T10:01:12.000Z',
      updatedAt: '2026-03-09T16:20:05.000Z',
      status: 'finished',
      lines: [
        { id: 'li-1', sku: 'MUG-11', title: 'Enamel mug', quantity: 3, price: '9.99' },
        { id: 'li-2', sku: null, title: 'Cushion cover', quantity: 1, price: '23.00' },
      ],
      shipTo: { country: 'DE' },
      paid: { when: { at: '2026-03-02T10:01:12.000Z', source: 'vendor' }, amount: '58.97', method: 'credit_card' },
      packages: [
        {
          packageId: 'f-1',
          carrier: 'DHL',
          trackingNumber: 'TEST0001',
          trackingUrl: null,
          lines: [{ id: 'li-1', quantity: 2 }],
          statusGiven: true,
          shipped: { when: { at: '2026-03-03T08:15:30.000Z', source: 'updated' } },
          delivered: { when: { at: '2026-03-06T15:00:00.000Z', source: 'updated' } },
        },
        {
          packageId: 'f-2',
          carrier: 'ups',
          trackingNumber: 'TEST0002',
          trackingUrl: null,
          lines: [{ id: 'li-2', quantity: 1 }],
          statusGiven: true,
          shipped: { when: { at: '2026-03-04T09:00:00.000Z', source: 'updated' } },
          delivered: null,
        },
      ],
      delivered: null,
      refund: { records: 'delayed', total: '9.99', totalUnreadable: false, full: false, reason: null, when: null },
      cancelled: null,
      doubts: [],
    })
  })

  test('an order of 2025-06: cancelled_at, numbers for quantities, payment in its line', () => {
    expect(snapshotOf(fixture('2025-06'))).toMatchObject({
      currency: 'EUR',
      lines: [{ id: 'li-9', quantity: 2, price: '15.00' }],
      paid: { amount: '30.00', method: 'apple_pay' },
      packages: [{ packageId: 'f-9', shipped: null, delivered: null }],
      refund: { total: '30.00', full: true },
      cancelled: { when: { at: '2026-04-02T11:59:00.000Z', source: 'vendor' }, reason: 'out of stock' },
      doubts: [],
    })
  })

  test('no name, address, mail or phone gets into the snapshot', () => {
    const text = JSON.stringify(snapshotOf(fixture('2022-01')))
    for (const personal of ['Test Street', 'Buyer', 'example.com', '000000', 'Testville'])
      expect(text).not.toContain(personal)
  })
})

describe('payment', () => {
  test('is proven by every status that money must have come before, and by no other', () => {
    const proving = SHOPLAZZA_FINANCIAL_STATUSES.filter(
      financial_status => snapshotOf({ ...ORDER, financial_status }).paid !== null,
    )
    expect(proving).toEqual([...SHOPLAZZA_PAID])
  })

  test('case 29: a COD order placed and waiting is not paid', () => {
    expect(snapshotOf({ ...ORDER, payment_method: 'cod' }).paid).toBeNull()
  })

  test('is of what was paid, or of the price where the vendor puts that at zero or not at all', () => {
    const amount = (total_paid: unknown) => snapshotOf({ ...ORDER, financial_status: 'paid', total_paid }).paid?.amount
    expect([amount('5.00'), amount('0.00'), amount(''), amount(null)]).toEqual(['5.00', '20.00', '20.00', '20.00'])
  })

  test('case 30: a deleted_at on a paid order changes nothing', () => {
    const paid = { ...ORDER, financial_status: 'paid' }
    expect(snapshotOf({ ...paid, deleted_at: '2026-03-02T12:00:00Z' })).toEqual(snapshotOf(paid))
  })

  test.each(['9,99', '-1.00', 'NaN', 'abc'])(
    'case 33: an unreadable amount (%s) goes out as null, with a doubt',
    total_paid => {
      const snapshot = snapshotOf({ ...ORDER, financial_status: 'paid', total_paid })
      expect(snapshot.paid).toMatchObject({ amount: null })
      expect(snapshot.doubts).toMatchObject([{ path: 'total_paid', value: JSON.stringify(total_paid) }])
    },
  )

  test.each([
    ['JPY', '1200', '1200'],
    ['JPY', '1200.00', '1200'],
    ['KWD', '1.5', '1.500'],
    ['USD', '5', '5.00'],
  ])('case 34: %s amounts have the minor digits of their currency', (currency, given, expected) => {
    expect(snapshotOf({ ...ORDER, currency, total_price: given }).total).toBe(expected)
  })
})

describe('packages', () => {
  const first = (more: object) => snapshotOf({ ...ORDER, fulfillments: [{ ...PACKAGE, ...more }] }).packages[0]

  test('a shipped one left at its last change', () => {
    expect(first({})).toMatchObject({ shipped: { when: updated('10:45:00') }, delivered: null, statusGiven: true })
  })

  test('a finished one arrived at its last change and left when it was made, for nothing closer is told', () => {
    expect(first({ status: 'finished' })).toMatchObject({
      shipped: { when: updated('10:30:00') },
      delivered: { when: updated('10:45:00') },
    })
  })

  test.each(['waiting', 'cancelled', '', null])('one that is %j proves nothing', status => {
    const snapshot = snapshotOf({ ...ORDER, fulfillments: [{ ...PACKAGE, status }] })
    expect(snapshot.packages[0]).toMatchObject({ shipped: null, delivered: null })
    expect(snapshot.doubts).toEqual([])
  })

  test('case 28: a finished, refunded order with a waiting package is paid and refunded, not delivered', () => {
    const snapshot = snapshotOf({
      ...ORDER,
      status: 'finished',
      fulfillment_status: 'finished',
      financial_status: 'refunded',
      fulfillments: [{ ...PACKAGE, status: 'waiting' }],
    })
    expect(snapshot).toMatchObject({ paid: {}, refund: { full: true }, delivered: null })
    expect(snapshot.packages).toMatchObject([{ shipped: null, delivered: null }])
  })

  test('null fulfillments are none', () => {
    expect(snapshotOf({ ...ORDER, fulfillments: null })).toMatchObject({ packages: [], doubts: [] })
  })

  test('case 36: first seen refunded and delivered, each has its own proof', () => {
    const snapshot = snapshotOf({
      ...ORDER,
      financial_status: 'refunded',
      total_refund_price: '20.00',
      fulfillments: [{ ...PACKAGE, status: 'finished' }],
    })
    expect(snapshot).toMatchObject({
      paid: { when: { source: 'vendor' } },
      packages: [{ shipped: {}, delivered: {} }],
      refund: { total: '20.00', full: true },
    })
  })
})

describe('refunds', () => {
  const refund = (more: object) => snapshotOf({ ...ORDER, ...more }).refund

  test('are not looked for on orders that show none', () => {
    for (const financial_status of ['waiting', 'paid', 'cancelled', 'failed'])
      expect(refund({ financial_status })).toBeNull()
  })

  test('are looked for when the status or the total says so', () => {
    expect(refund({ financial_status: 'refunding' })).toMatchObject({ records: 'delayed', total: '0.00', full: null })
    expect(refund({ financial_status: 'refund_failed' })).toMatchObject({ records: 'delayed', full: null })
    expect(refund({ financial_status: 'partially_refunded' })).toMatchObject({ full: false })
    expect(refund({ financial_status: 'refunded', total_refund_price: '' })).toMatchObject({ total: null, full: true })
    expect(refund({ financial_status: 'paid', total_refund_price: '3.00' })).toMatchObject({
      total: '3.00',
      full: null,
    })
  })

  test('case 33: a total that cannot be read is said to be so', () => {
    const snapshot = snapshotOf({ ...ORDER, financial_status: 'partially_refunded', total_refund_price: '9,99' })
    expect(snapshot.refund).toMatchObject({ total: null, totalUnreadable: true })
    expect(snapshot.doubts).toMatchObject([{ path: 'total_refund_price' }])
  })
})

describe('cancellation', () => {
  test('has the time of either version', () => {
    for (const name of ['canceled_at', 'cancelled_at'])
      expect(snapshotOf({ ...ORDER, status: 'cancelled', [name]: '2026-03-02T10:59:00Z' }).cancelled?.when).toEqual({
        at: '2026-03-02T10:59:00.000Z',
        source: 'vendor',
      })
  })

  test('case 31: with a null time it is cancelled all the same, by the time of the update', () => {
    const snapshot = snapshotOf({ ...ORDER, status: 'cancelled', canceled_at: null })
    expect(snapshot.cancelled).toEqual({ when: null, reason: null })
    expect(snapshot.updatedAt).toBe('2026-03-02T11:00:00.000Z')
  })

  test('a time of cancellation on an order that is not cancelled proves nothing', () => {
    expect(snapshotOf({ ...ORDER, canceled_at: '2026-03-02T10:59:00Z' }).cancelled).toBeNull()
  })
})

describe('what is not understood', () => {
  test.each(['status', 'financial_status', 'fulfillment_status'])(
    'an unknown %s is doubted, and costs nothing else',
    name => {
      const snapshot = snapshotOf({ ...ORDER, [name]: 'levitating', fulfillments: [PACKAGE] })
      expect(snapshot.doubts).toMatchObject([{ path: name, value: '"levitating"' }])
      expect(snapshot.packages).toMatchObject([{ shipped: {} }])
    },
  )

  test('an unknown status of one package costs that package', () => {
    const fulfillments = [
      { ...PACKAGE, status: 'lost' },
      { ...PACKAGE, id: 'f2' },
    ]
    const snapshot = snapshotOf({ ...ORDER, fulfillments })
    expect(snapshot.doubts).toMatchObject([{ path: 'fulfillments[0].status' }])
    expect(snapshot.packages).toMatchObject([{ shipped: null }, { shipped: {} }])
  })

  test('case 35: a time without a zone is UTC, and is told', () => {
    const told: string[] = []
    const read = readShoplazzaOrder(
      { ...ORDER, placed_at: '2026-03-02T10:00:00' },
      { onZoneless: paths => told.push(...paths) },
    )
    expect(read).toMatchObject({ placedAt: '2026-03-02T10:00:00.000Z', doubts: [] })
    expect(told).toEqual(['placed_at'])
  })

  test('case 9: an id that a number has rounded is rejected', () => {
    expect(readShoplazzaOrder({ ...ORDER, id: 2 ** 53 + 2 })).toMatchObject({ orderId: null, path: 'id' })
    expect(readShoplazzaOrder({ ...ORDER, id: 42 })).toMatchObject({ orderId: '42' })
  })

  test.each([null, 'text', 3, []])('a row that is %j is rejected', row => {
    expect(readShoplazzaOrder(row)).toMatchObject({ orderId: null, reason: expect.stringContaining('expected') })
  })

  test('case 3: "NULL", blanks, null and absence are the same nothing', () => {
    const bare = { id: 'o1' }
    const empty = Object.fromEntries(Object.keys(ORDER).map(name => [name, 'NULL']))
    const blank = Object.fromEntries(Object.keys(ORDER).map(name => [name, '']))
    expect(snapshotOf({ ...empty, id: 'o1' })).toEqual(snapshotOf(bare))
    expect(snapshotOf({ ...blank, id: 'o1', fulfillments: '' })).toEqual(snapshotOf(bare))
  })
})
