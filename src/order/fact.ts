import type { When } from '../../schemas/order.ts'
import type { EventOf } from '../../schemas/order-event.ts'

/**
 * Something that has provably happened to an order. `key` identifies it within the order and is the same in every observation. `when`
 * null: the vendor gives no time for it.
 */
export type Fact = { readonly key: string; readonly when: When } & (
  | { readonly type: 'order.paid'; readonly payment: EventOf<'order.paid'>['data']['payment'] }
  | { readonly type: 'order.shipped'; readonly shipment: EventOf<'order.shipped'>['data']['shipment'] }
  | {
      readonly type: 'order.shipment_updated'
      readonly shipment: EventOf<'order.shipment_updated'>['data']['shipment']
    }
  | { readonly type: 'order.delivered'; readonly delivery: EventOf<'order.delivered'>['data']['delivery'] }
  | { readonly type: 'order.refunded'; readonly refund: EventOf<'order.refunded'>['data']['refund'] }
  | { readonly type: 'order.cancelled'; readonly cancellation: EventOf<'order.cancelled'>['data']['cancellation'] }
)
