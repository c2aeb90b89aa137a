import { describe, expect, test } from 'vitest'
import type { OrderSnapshot } from '../../schemas/order.ts'
import { OrderEvent } from '../../schemas/order-event.ts'
import { decide } from '../../src/order/decide.ts'
import { NEW_ORDER } from '../../src/order/state.ts'
import { compare } from '../../src/verify/compare.ts'
import { paid, parcel, refundRecord, refundTotal, snapshot } from '../helpers/snapshots.ts'

const now = Date.parse('2026-03-05T12:00:00.000Z')

/** What was told of the first snapshot, compared with the second. */
function between(seen: Partial<OrderSnapshot>, shown: Partial<OrderSnapshot>, forget: readonly string[] = []) {
  const first = snapshot(seen)
  const { events, state } = decide(NEW_ORDER, {
    connection: 'shop',
    vendor: 'shoplazza',
    snapshot: first,
    observedAt: now,
  })
  const kept = events.filter(({ type }) => !forget.includes(type))
  const row = {
    connection: 'shop',
    orderId: first.orderId,
    userId: null,
    digest: '',
    state,
    snapshot: first,
    observedAt: now,
    recheckAt: null,
  }
  const told = new Map(kept.map(({ id, body }) => [id, OrderEvent.parse(JSON.parse(body))]))
  return compare({ vendor: 'shoplazza', row, told, shown: snapshot(shown), now }).map(({ kind, type, what }) => ({
    kind,
    type,
    what,
  }))
}

const without = (packageId: string | null, trackingNumber: string | null) => parcel(packageId, { trackingNumber })
const records = (amount: string) => ({ ...refundTotal(null), records: [refundRecord('r-1', amount)] })

describe('published facts compared with what the vendor shows', () => {
  test('the same snapshot has no difference', () => {
    const all = {
      paid: paid(),
      packages: [parcel('p-1')],
      refund: refundTotal('5.00'),
      cancelled: { when: null, reason: null },
    }
    expect(between(all, all)).toEqual([])
    expect(between({}, {})).toEqual([])
  })

  test('a fact of any type that was never published is missing', () => {
    expect(
      between({ paid: paid() }, { paid: paid(), packages: [parcel('p-1')], refund: refundTotal('5.00') }),
    ).toMatchObject([
      { kind: 'missing', type: 'order.shipped' },
      { kind: 'missing', type: 'order.refunded' },
    ])
  })

  test.each<[string, Partial<OrderSnapshot>, Partial<OrderSnapshot>, string, string]>([
    [
      'another amount',
      { paid: paid('20.00') },
      { paid: paid('25.00') },
      'different',
      'published the amount 20.00, the vendor shows 25.00',
    ],
    [
      'an amount given since',
      { paid: paid(null) },
      { paid: paid('25.00') },
      'fuller',
      'published the amount as not given, the vendor shows 25.00',
    ],
    ['an amount given no more', { paid: paid() }, { paid: paid(null) }, 'gone', 'the vendor shows none'],
    [
      'case 21: another tracking number of a package with an id',
      { packages: [without('p', 'A')] },
      { packages: [without('p', 'B')] },
      'missing',
      'order.shipment_updated was never published',
    ],
    [
      'a tracking number shown no more',
      { packages: [parcel('p', { trackingNumber: 'A' })] },
      { packages: [parcel('p', { trackingNumber: null })] },
      'gone',
      'published the tracking number A, the vendor shows none',
    ],
    [
      'another tracking number of a package without an id',
      { packages: [without(null, 'A')] },
      { packages: [without(null, 'B')] },
      'different',
      'now shows ~UPS/B',
    ],
    ['a payment shown no more', { paid: paid() }, {}, 'gone', '"paid" was published'],
    ['a package shown no more', { packages: [parcel('p')] }, {}, 'gone', '"shipped:p" was published'],
    [
      'another amount of a refund',
      { refund: records('5.00') },
      { refund: records('6.00') },
      'different',
      'published the amount 5.00, the vendor shows 6.00',
    ],
    [
      'a refund shown no more',
      { refund: records('5.00') },
      { refund: { ...records('1.00'), records: [] } },
      'gone',
      '"refunded:r-1" was published',
    ],
    [
      'a lower total of refunds',
      { refund: refundTotal('7.00') },
      { refund: refundTotal('5.00') },
      'gone',
      'refunds of 7.00 were published, the vendor shows 5.00',
    ],
  ])('%s', (_, seen, shown, kind, what) => {
    expect(between(seen, shown)).toEqual([expect.objectContaining({ kind, what: expect.stringContaining(what) })])
  })

  test('a fact whose event retention removed is only compared by its presence', () => {
    expect(between({ paid: paid('20.00') }, { paid: paid('25.00') }, ['order.paid'])).toEqual([])
    expect(between({ paid: paid('20.00') }, {}, ['order.paid'])).toMatchObject([{ kind: 'gone' }])
  })

  test('refund records that cannot be read now are no difference', () => {
    const delayed = { ...refundTotal('5.00'), records: 'delayed' as const }
    expect(between({ refund: records('5.00') }, { refund: delayed })).toEqual([])
  })
})
