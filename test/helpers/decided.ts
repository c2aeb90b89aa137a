import type { OrderSnapshot } from '../../schemas/order.ts'
import { OrderEvent } from '../../schemas/order-event.ts'
import { type Decision, decide } from '../../src/order/decide.ts'
import { NEW_ORDER, type OrderState } from '../../src/order/state.ts'

export const OBSERVED_AT = Date.parse('2026-03-05T12:00:00.000Z')

/** Observes one order again and again, as ingest does, and keeps what came of it. */
export function observer(connection = 'shop') {
  let state: OrderState = NEW_ORDER
  const all: OrderEvent[] = []
  return {
    all,
    state: () => state,
    see(snapshot: OrderSnapshot, observedAt = OBSERVED_AT): { events: OrderEvent[]; decision: Decision } {
      const decision = decide(state, { connection, vendor: 'shoplazza', snapshot, observedAt })
      state = decision.state
      const events = decision.events.map(({ body }) => OrderEvent.parse(JSON.parse(body)))
      all.push(...events)
      return { events, decision }
    },
  }
}

/** `order.shipped` of package p-1 as "shipped p-1", and so on: what a test wants to read. */
export function gist(event: OrderEvent): string {
  const word = event.type.slice('order.'.length)
  switch (event.type) {
    case 'order.paid':
      return `${word} ${event.data.payment.amount}`
    case 'order.shipped':
      return `${word} ${event.data.shipment.packageId ?? event.data.shipment.trackingNumber ?? 'order'}`
    case 'order.shipment_updated':
      return `${word} ${event.data.shipment.packageId} ${event.data.shipment.carrier}/${event.data.shipment.trackingNumber}`
    case 'order.delivered':
      return `${word} ${event.data.delivery.packageId ?? 'order'}`
    case 'order.refunded':
      return `${word} ${event.data.refund.amount}${event.data.refund.full ? ' full' : ''}`
    case 'order.cancelled':
      return word
  }
}
