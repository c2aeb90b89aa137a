import type { OrderSnapshot, Package, RefundRecord, RefundView } from '../../schemas/order.ts'

/** An order of which nothing is proven; tests say what differs. */
export function snapshot(own: Partial<OrderSnapshot> = {}): OrderSnapshot {
  return {
    orderId: 'o-1',
    orderNumber: '1001',
    currency: 'USD',
    total: '20.00',
    placedAt: '2026-03-01T09:00:00.000Z',
    updatedAt: '2026-03-02T10:00:00.000Z',
    status: 'placed',
    lines: [{ id: 'l-1', sku: 'SKU-1', title: 'Mug', quantity: 2, price: '10.00' }],
    shipTo: null,
    paid: null,
    packages: [],
    delivered: null,
    refund: null,
    cancelled: null,
    doubts: [],
    ...own,
  }
}

export const vendorTime = (at: string) => ({ at, source: 'vendor' as const })

export const paid = (amount: string | null = '20.00'): OrderSnapshot['paid'] => ({
  when: vendorTime('2026-03-01T09:05:00.000Z'),
  amount,
  method: 'card',
})

export function parcel(packageId: string | null, own: Partial<Package> = {}): Package {
  return {
    packageId,
    carrier: 'UPS',
    trackingNumber: packageId === null ? null : `T-${packageId}`,
    trackingUrl: null,
    lines: [],
    statusGiven: packageId !== null,
    shipped: { when: null },
    delivered: null,
    ...own,
  }
}

/** Refunds as a running total, from a vendor without refund records. */
export function refundTotal(total: string | null, own: Partial<RefundView> = {}): RefundView {
  return { records: 'unavailable', total, totalUnreadable: false, full: null, reason: null, when: null, ...own }
}

export function refundRecord(refundId: string, amount: string | null): RefundRecord {
  return { refundId, amount, currency: 'USD', reason: null, when: null }
}
