import type { OrderSnapshot } from '../../schemas/order.ts'
import type { EventType } from '../../schemas/order-event.ts'
import { decide } from './decide.ts'
import type { EventRecord } from './event-record.ts'
import { NEW_ORDER } from './state.ts'

const HOUR_MS = 3_600_000

/** An invented event of this type, as a receiver may be sent it for a test. Its connection is `sample`; the same `now` gives the same bytes. */
export function sampleEvent(type: EventType, now: number): EventRecord {
  const first = decide(NEW_ORDER, { ...SHOP, snapshot: sampleOrder(now, 'SAMPLE-1'), observedAt: now })
  // A tracking number that changes is a second observation.
  const second = decide(first.state, { ...SHOP, snapshot: sampleOrder(now, 'SAMPLE-2'), observedAt: now })
  const event = [...first.events, ...second.events].find(one => one.type === type)
  if (!event) throw new Error(`the sample order proves no ${type}`)
  return event
}

const SHOP = { connection: 'sample', vendor: 'sample' } as const

function sampleOrder(now: number, trackingNumber: string): OrderSnapshot {
  const ago = (hours: number) => new Date(now - hours * HOUR_MS).toISOString()
  const when = (hours: number) => ({ at: ago(hours), source: 'vendor' as const })
  return {
    orderId: 'sample-1001',
    orderNumber: '1001',
    currency: 'USD',
    total: '20.00',
    placedAt: ago(48),
    updatedAt: ago(1),
    status: 'cancelled',
    lines: [{ id: 'line-1', sku: 'MUG-BLUE', title: 'Blue mug', quantity: 2, price: '10.00' }],
    shipTo: { country: 'US' },
    paid: { when: when(47), amount: '20.00', method: 'card' },
    packages: [
      {
        packageId: 'package-1',
        carrier: 'UPS',
        trackingNumber,
        trackingUrl: `https://tracking.example.com/${trackingNumber}`,
        lines: [{ id: 'line-1', quantity: 2 }],
        statusGiven: true,
        shipped: { when: when(24) },
        delivered: { when: when(4) },
      },
    ],
    delivered: null,
    refund: {
      records: [{ refundId: 'refund-1', amount: '20.00', currency: 'USD', reason: 'arrived broken', when: when(2) }],
      total: '20.00',
      totalUnreadable: false,
      full: true,
      reason: null,
      when: when(2),
    },
    cancelled: { when: when(1), reason: 'by the buyer' },
    doubts: [],
  }
}
