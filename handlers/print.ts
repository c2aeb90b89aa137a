import { defineHandler, type OrderEvent } from 'orderwire'

/** Prints one line per event, for people: which order, and what happened to it. */
export default defineHandler({
  on: '*',
  run(event, { log }) {
    const { connection, orderNumber, orderId } = event.data
    log.info(`${event.data.occurredAt}  ${connection}  order ${orderNumber ?? orderId}  ${what(event)}`)
  },
})

function what(event: OrderEvent): string {
  switch (event.type) {
    case 'order.paid':
      return `paid ${money(event.data.payment)}`
    case 'order.shipped':
      return `shipped ${[event.data.shipment.carrier, event.data.shipment.trackingNumber].filter(Boolean).join(' ')}`.trim()
    case 'order.delivered':
      return `delivered ${event.data.delivery.trackingNumber ?? ''}`.trim()
    case 'order.refunded':
      return `${event.data.refund.full ? 'fully' : 'partly'} refunded ${money(event.data.refund)}`
    case 'order.cancelled':
      return event.data.cancellation.reason ? `cancelled: ${event.data.cancellation.reason}` : 'cancelled'
  }
}

/** The vendor may give no amount, or no currency. */
const money = ({ amount, currency }: { amount: string | null; currency: string | null }) =>
  amount === null ? '(amount not given)' : `${amount} ${currency ?? ''}`.trim()
