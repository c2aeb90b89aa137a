import { z } from 'zod'
import { Amount, Currency, Slug, Timestamp, Vendor } from './common.ts'

/**
 * The order event, version 1: CloudEvents 1.0 in structured mode. The same bytes in store, log, webhook and API. Types and optional
 * members may be added within version 1; consumers ignore those they do not know.
 */

export const EVENT_TYPES = [
  'order.paid',
  'order.shipped',
  'order.shipment_updated',
  'order.delivered',
  'order.refunded',
  'order.cancelled',
] as const
export const EventType = z.enum(EVENT_TYPES)
export type EventType = z.infer<typeof EventType>

export const DATA_SCHEMA = 'urn:orderwire:order-event:1'

export const OccurredAtSource = z.enum(['vendor', 'updated', 'observed'])
export type OccurredAtSource = z.infer<typeof OccurredAtSource>

export const OrderLine = z.object({
  id: z.string().nullable(),
  sku: z.string().nullable(),
  title: z.string().nullable(),
  quantity: z.number().nonnegative().nullable(),
  price: Amount.nullable(),
})
export type OrderLine = z.infer<typeof OrderLine>

export const ShippedLine = z.object({ id: z.string(), quantity: z.number().nonnegative().nullable() })
export type ShippedLine = z.infer<typeof ShippedLine>

const Order = z.object({
  currency: Currency.nullable(),
  total: Amount.nullable(),
  placedAt: Timestamp.nullable(),
  updatedAt: Timestamp.nullable(),
  status: z.string().nullable().describe("the vendor's own words"),
  lines: z.array(OrderLine),
  shipTo: z.object({ country: z.string() }).nullable().optional(),
})

const common = {
  connection: Slug,
  vendor: Vendor,
  orderId: z.string().min(1),
  orderNumber: z.string().nullable(),
  sequence: z.number().int().min(1).describe('position within this order, from 1, without a gap'),
  occurredAt: Timestamp,
  occurredAtSource: OccurredAtSource,
  observedAt: Timestamp,
  order: Order,
}

const Payment = z.object({
  amount: Amount.nullable(),
  currency: Currency.nullable(),
  method: z.string().nullable(),
})
const Shipment = z.object({
  packageId: z.string().nullable(),
  carrier: z.string().nullable(),
  trackingNumber: z.string().nullable(),
  trackingUrl: z.string().nullable().describe('an http or https address'),
  lines: z.array(ShippedLine),
})
const Delivery = z.object({ packageId: z.string().nullable(), trackingNumber: z.string().nullable() })
const Reason = z
  .string()
  .describe('free text, at most 200 characters; mail addresses and phone numbers are masked, and no control characters')
const Refund = z.object({
  refundId: z.string(),
  amount: Amount.nullable(),
  currency: Currency.nullable(),
  totalRefunded: Amount.nullable().describe("of all refunds so far in this refund's currency"),
  full: z
    .boolean()
    .nullable()
    .describe('whether all of the order is refunded; null: it cannot be told, as refunds and order differ in currency'),
  reason: Reason.nullable(),
})
const Cancellation = z.object({ reason: Reason.nullable() })

function eventOf<T extends EventType, D extends z.ZodRawShape>(type: T, own: D) {
  return z.object({
    specversion: z.literal('1.0'),
    id: z.string().regex(/^evt_[0-9A-Za-z]{22}$/),
    source: z.string(),
    type: z.literal(type),
    subject: z.string(),
    time: Timestamp,
    datacontenttype: z.literal('application/json'),
    dataschema: z.literal(DATA_SCHEMA),
    partitionkey: z.string(),
    sequence: z.string().regex(/^\d{10}$/),
    data: z.object({ ...common, ...own }),
  })
}

export const OrderPaid = eventOf('order.paid', { payment: Payment })
export const OrderShipped = eventOf('order.shipped', { shipment: Shipment })
export const OrderShipmentUpdated = eventOf('order.shipment_updated', { shipment: Shipment })
export const OrderDelivered = eventOf('order.delivered', { delivery: Delivery })
export const OrderRefunded = eventOf('order.refunded', { refund: Refund })
export const OrderCancelled = eventOf('order.cancelled', { cancellation: Cancellation })

export const OrderEvent = z.discriminatedUnion('type', [
  OrderPaid,
  OrderShipped,
  OrderShipmentUpdated,
  OrderDelivered,
  OrderRefunded,
  OrderCancelled,
])
export type OrderEvent = z.infer<typeof OrderEvent>

/** The event of one type, e.g. `EventOf<'order.paid'>`. */
export type EventOf<T extends EventType> = Extract<OrderEvent, { type: T }>
