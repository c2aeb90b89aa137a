import { describe, expect, test } from 'vitest'
import type { OrderEvent } from '../../schemas/order-event.ts'
import { eventId } from '../../src/order/event-id.ts'
import { gist, OBSERVED_AT, observer } from '../helpers/decided.ts'
import { paid, parcel, refundRecord, refundTotal, snapshot, vendorTime } from '../helpers/snapshots.ts'

const gists = (events: readonly OrderEvent[]) => events.map(gist)
const cancelled = { when: null, reason: 'changed mind' }
const MINUTE = 60_000

describe('the event', () => {
  test('is valid by its schema, and says what was observed', () => {
    const { events } = observer().see(snapshot({ paid: paid() }))
    expect(events).toEqual([
      {
        specversion: '1.0',
        id: eventId('shop', 'o-1', 'order.paid', ''),
        source: '/connections/shop',
        type: 'order.paid',
        subject: 'o-1',
        time: '2026-03-01T09:05:00.000Z',
        datacontenttype: 'application/json',
        dataschema: 'urn:orderwire:order-event:1',
        partitionkey: 'shop/o-1',
        sequence: '0000000001',
        data: {
          connection: 'shop',
          vendor: 'shoplazza',
          orderId: 'o-1',
          orderNumber: '1001',
          sequence: 1,
          occurredAt: '2026-03-01T09:05:00.000Z',
          occurredAtSource: 'vendor',
          observedAt: '2026-03-05T12:00:00.000Z',
          order: {
            currency: 'USD',
            total: '20.00',
            placedAt: '2026-03-01T09:00:00.000Z',
            updatedAt: '2026-03-02T10:00:00.000Z',
            status: 'placed',
            lines: [{ id: 'l-1', sku: 'SKU-1', title: 'Mug', quantity: 2, price: '10.00' }],
          },
          payment: { amount: '20.00', currency: 'USD', method: 'card' },
        },
      },
    ])
  })

  test('has an id that depends on connection, order, type and package only', () => {
    const ids = [
      eventId('shop', 'o-1', 'order.shipped', 'p-1'),
      eventId('shop', 'o-1', 'order.shipped', 'p-2'),
      eventId('shop', 'o-1', 'order.delivered', 'p-1'),
      eventId('shop', 'o-2', 'order.shipped', 'p-1'),
      eventId('kk', 'o-1', 'order.shipped', 'p-1'),
    ]
    expect(new Set(ids).size).toBe(ids.length)
    expect(eventId('shop', 'o-1', 'order.shipped', 'p-1')).toBe('evt_0opl99dG3aMklu1O6CveMw')
  })

  test('takes its time from the fact, else from the order, else from our clock, and names the source', () => {
    const times = [
      observer().see(snapshot({ cancelled: { when: vendorTime('2026-03-02T08:00:00.000Z'), reason: null } })),
      observer().see(snapshot({ cancelled })),
      observer().see(snapshot({ cancelled, updatedAt: null })),
    ].map(({ events: [event] }) => [event?.time, event?.data.occurredAtSource])
    expect(times).toEqual([
      ['2026-03-02T08:00:00.000Z', 'vendor'],
      ['2026-03-02T10:00:00.000Z', 'updated'],
      ['2026-03-05T12:00:00.000Z', 'observed'],
    ])
  })
})

describe('the events of an order', () => {
  test('case 36: an order first seen refunded and delivered yields paid, shipped, delivered, refunded, each by its own proof', () => {
    const order = observer()
    order.see(
      snapshot({
        paid: paid(),
        packages: [parcel('p-1', { delivered: { when: null } }), parcel('p-2')],
        refund: refundTotal('20.00', { full: true }),
        cancelled,
      }),
    )
    expect(gists(order.all)).toEqual([
      'paid 20.00',
      'shipped p-1',
      'shipped p-2',
      'delivered p-1',
      'refunded 20.00 full',
      'cancelled',
    ])
    expect(order.all.map(({ data }) => data.sequence)).toEqual([1, 2, 3, 4, 5, 6])
  })

  test('case 39: the same order observed again, or touched without a change, yields nothing', () => {
    const order = observer()
    order.see(snapshot({ paid: paid(), packages: [parcel('p-1')] }))
    expect(
      order.see(snapshot({ paid: paid(), packages: [parcel('p-1')], updatedAt: '2026-03-09T00:00:00.000Z' })).events,
    ).toEqual([])
  })

  test('a status that goes backwards takes nothing back, and is logged', () => {
    const order = observer()
    order.see(snapshot({ paid: paid(), packages: [parcel('p-1')] }))
    const { events, decision } = order.see(snapshot())
    expect(events).toEqual([])
    expect(decision.notes).toEqual(['no longer shown by the vendor, and not taken back: paid, shipped:p-1'])
    expect(order.see(snapshot({ paid: paid(), packages: [parcel('p-1')] })).events).toEqual([])
  })

  test('a cancelled package neither cancels the order nor takes a fact back', () => {
    const order = observer()
    order.see(snapshot({ packages: [parcel('p-1')] }))
    expect(order.see(snapshot({ packages: [parcel('p-1', { shipped: null })] })).events).toEqual([])
  })
})

describe('packages', () => {
  test('case 21: without an id, a tracking number that replaces another is logged and not published', () => {
    const order = observer()
    order.see(snapshot({ packages: [parcel(null, { trackingNumber: 'A' })] }))
    const { events, decision } = order.see(snapshot({ packages: [parcel(null, { trackingNumber: 'B' })] }))
    expect(events).toEqual([])
    expect(decision.notes[0]).toContain('~UPS/B replaces a published shipment')
  })

  test('without an id, a tracking number beside another is another package', () => {
    const order = observer()
    order.see(snapshot({ packages: [parcel(null, { trackingNumber: 'A' })] }))
    order.see(snapshot({ packages: [parcel(null, { trackingNumber: 'A' }), parcel(null, { trackingNumber: 'B' })] }))
    expect(gists(order.all)).toEqual(['shipped A', 'shipped B'])
  })

  test('case 22: shipped without a list is one fact of the order, and the list that follows repeats nothing', () => {
    const order = observer()
    order.see(snapshot({ packages: [parcel(null)] }))
    order.see(snapshot({ packages: [parcel(null, { trackingNumber: 'A' })] }))
    expect(gists(order.all)).toEqual(['shipped order'])
  })

  test('delivery is read from packages that have a status, and not from their order', () => {
    const order = observer()
    order.see(
      snapshot({ packages: [parcel('p-1'), parcel('p-2', { delivered: { when: null } })], delivered: { when: null } }),
    )
    expect(gists(order.all)).toEqual(['shipped p-1', 'shipped p-2', 'delivered p-2'])
  })

  test('a delivery published for the order is not published again for its packages', () => {
    const order = observer()
    order.see(snapshot({ packages: [parcel('p-1', { statusGiven: false })], delivered: { when: null } }))
    order.see(snapshot({ packages: [parcel('p-1', { delivered: { when: null } })], delivered: { when: null } }))
    expect(gists(order.all)).toEqual(['shipped p-1', 'delivered order'])
  })
})

describe('refunds by a running total', () => {
  test('case 11: 5 → 12 → 12 is a refund of 5 and one of 7', () => {
    const order = observer()
    for (const total of ['5.00', '12.00', '12.00']) order.see(snapshot({ paid: paid(), refund: refundTotal(total) }))
    expect(gists(order.all)).toEqual(['paid 20.00', 'refunded 5.00', 'refunded 7.00'])
    expect(order.all.map(event => (event.type === 'order.refunded' ? event.data.refund.totalRefunded : null))).toEqual([
      null,
      '5.00',
      '12.00',
    ])
  })

  test('case 12: 12 → 10 → 15 is a refund of 12 and one of 3, and the decrease is logged', () => {
    const order = observer()
    order.see(snapshot({ refund: refundTotal('12.00') }))
    const { events, decision } = order.see(snapshot({ refund: refundTotal('10.00') }))
    order.see(snapshot({ refund: refundTotal('15.00') }))
    expect(events).toEqual([])
    expect(decision.notes).toEqual(['refunded total went from 12.00 to 10.00: nothing is taken back'])
    expect(gists(order.all)).toEqual(['refunded 12.00', 'refunded 3.00'])
  })

  test('case 33: an unreadable total makes the refund wait for the next readable one', () => {
    const order = observer()
    order.see(snapshot({ refund: refundTotal('5.00') }))
    expect(order.see(snapshot({ refund: refundTotal(null, { totalUnreadable: true, full: true }) })).events).toEqual([])
    expect(gists(order.see(snapshot({ refund: refundTotal('9.00') })).events)).toEqual(['refunded 4.00'])
  })

  test('an unreadable total at first sight is not taken for a full refund', () => {
    expect(
      observer().see(snapshot({ refund: refundTotal(null, { totalUnreadable: true, full: true }) })).events,
    ).toEqual([])
  })

  test('a full refund without an amount is published once, and no refund after it', () => {
    const order = observer()
    order.see(snapshot({ refund: refundTotal(null, { full: true }) }))
    order.see(snapshot({ refund: refundTotal('20.00', { full: true }) }))
    expect(gists(order.all)).toEqual(['refunded null full'])
  })

  test('a total of zero is no refund', () => {
    expect(observer().see(snapshot({ refund: refundTotal('0.00') })).events).toEqual([])
  })

  test('is full when the vendor says so, or when it reaches what was paid', () => {
    const full = (total: string, said: boolean | null) => {
      const { events } = observer().see(snapshot({ refund: refundTotal(total, { full: said }) }))
      return events.map(event => event.type === 'order.refunded' && event.data.refund.full)
    }
    expect([full('20.00', null), full('19.99', null), full('5.00', true), full('20.00', false)]).toEqual([
      [true],
      [false],
      [true],
      [false],
    ])
  })
})

describe('refunds by records', () => {
  const view = (records: ReturnType<typeof refundRecord>[], total: string | null) => refundTotal(total, { records })

  test('are published by id, once each, with the running total', () => {
    const order = observer()
    order.see(snapshot({ refund: view([refundRecord('r-1', '5.00')], '5.00') }))
    order.see(snapshot({ refund: view([refundRecord('r-1', '5.00'), refundRecord('r-2', '15.00')], '20.00') }))
    expect(gists(order.all)).toEqual(['refunded 5.00', 'refunded 15.00 full'])
  })

  test('are waited for until ten minutes after the total rose, and then the total counts', () => {
    const order = observer()
    const updatedAt = new Date(OBSERVED_AT).toISOString()
    const waiting = order.see(snapshot({ updatedAt, refund: view([], '5.00') }))
    expect(waiting.events).toEqual([])
    expect(waiting.decision.recheckAt).toBe(OBSERVED_AT + 5_000)
    expect(order.see(snapshot({ updatedAt, refund: view([], '5.00') }), OBSERVED_AT + 9 * MINUTE).events).toEqual([])
    expect(
      gists(order.see(snapshot({ updatedAt, refund: view([], '5.00') }), OBSERVED_AT + 10 * MINUTE).events),
    ).toEqual(['refunded 5.00'])
    expect(
      order.see(snapshot({ updatedAt, refund: view([refundRecord('r-1', '5.00')], '5.00') }), OBSERVED_AT + 11 * MINUTE)
        .events,
    ).toEqual([])
  })

  test('case 47: have the whole ten minutes for a refund that does not move the update time', () => {
    const order = observer()
    const old = { updatedAt: new Date(OBSERVED_AT - 60 * MINUTE).toISOString() }
    order.see(snapshot(old), OBSERVED_AT)
    order.see(snapshot({ ...old, refund: view([], '5.00') }), OBSERVED_AT + MINUTE)
    expect(order.see(snapshot({ ...old, refund: view([], '5.00') }), OBSERVED_AT + 10 * MINUTE).events).toEqual([])
    const there = view([refundRecord('r-1', '5.00')], '5.00')
    expect(order.see(snapshot({ ...old, refund: there }), OBSERVED_AT + 10 * MINUTE + 1).events).toMatchObject([
      { data: { refund: { refundId: 'r-1', amount: '5.00' } } },
    ])
  })

  test('that are absent at the first reading of an old refund are read again before the total counts', () => {
    const order = observer()
    const old = { updatedAt: new Date(OBSERVED_AT - 60 * MINUTE).toISOString() }
    const first = order.see(snapshot({ ...old, refund: view([], '5.00') }))
    expect([first.events, first.decision.recheckAt]).toEqual([[], OBSERVED_AT + 5_000])
    const there = view([refundRecord('r-1', '5.00')], '5.00')
    expect(gists(order.see(snapshot({ ...old, refund: there }), OBSERVED_AT + 5_000).events)).toEqual(['refunded 5.00'])

    const other = observer()
    other.see(snapshot({ ...old, refund: refundTotal('5.00', { records: 'delayed' }) }), OBSERVED_AT - 30 * MINUTE)
    expect(other.see(snapshot({ ...old, refund: view([], '5.00') })).events).toEqual([])
    expect(other.see(snapshot({ ...old, refund: view([], '5.00') }), OBSERVED_AT + 19_000).events).toEqual([])
    expect(gists(other.see(snapshot({ ...old, refund: view([], '5.00') }), OBSERVED_AT + 20_000).events)).toEqual([
      'refunded 5.00',
    ])
  })

  test('that cannot be read are read again soon, however old the refund, which is published once', () => {
    const order = observer()
    const old = { updatedAt: new Date(OBSERVED_AT - 30 * 24 * 60 * MINUTE).toISOString() }
    const delayed = snapshot({ ...old, refund: refundTotal('5.00', { records: 'delayed' }) })
    const { decision } = order.see(delayed)
    expect([decision.recheckAt, decision.notes.length]).toEqual([OBSERVED_AT + 5_000, 1])
    const again = order.see(delayed, OBSERVED_AT + 5_000).decision
    expect([again.recheckAt, again.notes]).toEqual([OBSERVED_AT + 10_000, []])
  })

  test('that cannot be read now delay the refund however long it takes', () => {
    const order = observer()
    for (const age of [0, 20 * MINUTE, 600 * MINUTE]) {
      const { events, decision } = order.see(
        snapshot({ refund: refundTotal('5.00', { records: 'delayed' }) }),
        OBSERVED_AT + age,
      )
      expect(events).toEqual([])
      expect(decision.recheckAt).toBeGreaterThan(OBSERVED_AT + age)
    }
    expect(gists(order.see(snapshot({ refund: view([refundRecord('r-1', '5.00')], '5.00') })).events)).toEqual([
      'refunded 5.00',
    ])
  })

  test('once published, are the only source: a higher total is read again, never added', () => {
    const order = observer()
    order.see(snapshot({ refund: view([refundRecord('r-1', '5.00')], '5.00') }))
    const { events, decision } = order.see(snapshot({ refund: refundTotal('9.00') }), OBSERVED_AT + 60 * MINUTE)
    expect(events).toEqual([])
    expect(decision.recheckAt).not.toBeNull()
  })

  test('case 33: a record with an unreadable amount is a refund with amount null, and the total is unknown from then on', () => {
    const order = observer()
    order.see(snapshot({ refund: view([refundRecord('r-1', null)], null) }))
    order.see(snapshot({ refund: view([refundRecord('r-1', null), refundRecord('r-2', '5.00')], null) }))
    expect(
      order.all.map(
        event => event.type === 'order.refunded' && [event.data.refund.amount, event.data.refund.totalRefunded],
      ),
    ).toEqual([
      [null, null],
      ['5.00', null],
    ])
  })
})
