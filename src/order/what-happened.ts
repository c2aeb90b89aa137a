import type { OrderEvent } from '../../schemas/order-event.ts'

/** What an event tells besides its type: `19.99 USD`, `p-1 by UPS 1Z2345`. */
export function whatHappened(event: OrderEvent): string {
  switch (event.type) {
    case 'order.paid':
      return money(event.data.payment.amount, event.data.payment.currency)
    case 'order.shipped':
    case 'order.shipment_updated': {
      const { packageId, carrier, trackingNumber } = event.data.shipment
      return [packageId, carrier && `by ${carrier}`, trackingNumber].filter(Boolean).join(' ') || 'the whole order'
    }
    case 'order.delivered':
      return event.data.delivery.packageId ?? 'the whole order'
    case 'order.refunded': {
      const { amount, currency, full } = event.data.refund
      return `${money(amount, currency)}${full ? ' (in full)' : ''}`
    }
    case 'order.cancelled':
      return event.data.cancellation.reason ?? ''
  }
}

const money = (amount: string | null, currency: string | null): string =>
  amount === null ? 'amount not given' : `${amount} ${currency ?? ''}`.trim()
