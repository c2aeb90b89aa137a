import type { OrderEvent } from '../../schemas/order-event.ts'

/** An event in the words of `createShop().facts()`. */
export function factOf(event: OrderEvent): string {
  const which =
    event.type === 'order.shipped' || event.type === 'order.shipment_updated'
      ? ` ${event.data.shipment.packageId}`
      : event.type === 'order.delivered'
        ? ` ${event.data.delivery.packageId}`
        : ''
  return `${event.partitionkey} ${event.type.slice('order.'.length)}${which}`
}
