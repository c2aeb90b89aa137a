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
  id: z.string().nullable().describe("The vendor's id of the line."),
  sku: z.string().nullable().describe('Stock keeping unit.'),
  title: z.string().nullable().describe('Name of the article.'),
  quantity: z.number().nonnegative().nullable().describe('How many were ordered.'),
  price: Amount.nullable().describe('Price of one, in the currency of the order.'),
})
export type OrderLine = z.infer<typeof OrderLine>

export const ShippedLine = z.object({
  id: z.string().describe('The id of a line of the order.'),
  quantity: z.number().nonnegative().nullable().describe('How many of it are in this package.'),
})
export type ShippedLine = z.infer<typeof ShippedLine>

const Order = z.object({
  currency: Currency.nullable().describe('ISO 4217 code of `total` and of the prices.'),
  total: Amount.nullable().describe('What the whole order costs.'),
  placedAt: Timestamp.nullable().describe('When the order was placed.'),
  updatedAt: Timestamp.nullable().describe("The vendor's update time of the order."),
  status: z
    .string()
    .nullable()
    .describe("The vendor's own word for the status of the order. It differs between vendors."),
  lines: z
    .array(OrderLine)
    .describe(
      'The articles of the order. Empty where the vendor names none, or where the event would be too large with them.',
    ),
  shipTo: z
    .object({ country: z.string().describe('The country as the vendor writes it, mostly an ISO 3166 code.') })
    .nullable()
    .optional()
    .describe('Where the order goes. Absent where the vendor does not say.'),
})

const common = {
  connection: Slug.describe('The id of the connection in the configuration.'),
  vendor: Vendor.describe('The vendor of the connection.'),
  orderId: z.string().min(1).describe("The vendor's id of the order. It is unique within the connection."),
  orderNumber: z.string().nullable().describe('The number that people know the order by.'),
  sequence: z.number().int().min(1).describe('Position within the events of this order: 1, 2, 3 … without a gap.'),
  occurredAt: Timestamp.describe('When it happened, as exactly as the vendor says. The same as `time`.'),
  occurredAtSource: OccurredAtSource.describe(
    'Where `occurredAt` comes from. `vendor`: a time given for this very fact. `updated`: the update time of the order. `observed`: the time we read it.',
  ),
  observedAt: Timestamp.describe('When orderwire read it from the vendor.'),
  order: Order.describe('The order as it was read.'),
}

const Payment = z.object({
  amount: Amount.nullable().describe('What was paid.'),
  currency: Currency.nullable().describe('ISO 4217 code of `amount`.'),
  method: z.string().nullable().describe("The method of payment, in the vendor's words."),
})
const Shipment = z.object({
  packageId: z.string().nullable().describe("The vendor's id of the package. null: the vendor gives packages no id."),
  carrier: z.string().nullable().describe("The carrier, in the vendor's words. null: not known yet."),
  trackingNumber: z.string().nullable().describe('null: not known yet.'),
  trackingUrl: z
    .string()
    .nullable()
    .describe('An http or https address. null: the vendor gives none, or another kind.'),
  lines: z
    .array(ShippedLine)
    .describe('What is in the package. Empty where the vendor does not say, or where the event would be too large.'),
})
const Delivery = z.object({
  packageId: z
    .string()
    .nullable()
    .describe('The package that arrived. null: the vendor says it of the whole order, or gives packages no id.'),
  trackingNumber: z
    .string()
    .nullable()
    .describe('Tracking number of that package. null: not given, or the event is about the whole order.'),
})
const Reason = z
  .string()
  .nullable()
  .describe(
    'Why: free text, at most 200 characters; mail addresses and phone numbers are masked. null: none given, or `reasons: false`.',
  )
const Refund = z.object({
  refundId: z
    .string()
    .describe(
      "The vendor's id of the refund. Where the vendor gives only a running total: the totals before and after, such as `5.00-12.00`. Where it gives no amount at all: `whole`.",
    ),
  amount: Amount.nullable().describe('What this refund gives back. null: not given, or unreadable.'),
  currency: Currency.nullable().describe('ISO 4217 code of `amount` and `totalRefunded`.'),
  totalRefunded: Amount.nullable().describe(
    'The sum of all refunds of the order so far in the currency of this refund. null: one of them has no amount.',
  ),
  full: z
    .boolean()
    .nullable()
    .describe(
      'Whether the whole order is refunded. null: it cannot be told, because refunds and order differ in currency.',
    ),
  reason: Reason,
})
const Cancellation = z.object({
  reason: Reason,
})

function eventOf<T extends EventType, D extends z.ZodRawShape>(type: T, own: D) {
  return z.object({
    specversion: z.literal('1.0').describe('The version of CloudEvents.'),
    id: z
      .string()
      .regex(/^evt_[0-9A-Za-z]{22}$/)
      .describe('The same fact has the same id, however often it is read, published or delivered. Drop repeats by it.'),
    source: z.string().describe('`/connections/` and the id of the connection.'),
    type: z.literal(type).describe('The type of the event.'),
    subject: z.string().describe("The vendor's id of the order."),
    time: Timestamp.describe('When it happened; the same as `data.occurredAt`.'),
    datacontenttype: z.literal('application/json').describe('The format of `data`.'),
    dataschema: z.literal(DATA_SCHEMA).describe('The version of the event.'),
    partitionkey: z.string().describe('`connection/orderId`: the key of the record in Kafka.'),
    sequence: z
      .string()
      .regex(/^\d{10}$/)
      .describe('`data.sequence` with leading zeros.'),
    data: z.object({ ...common, ...own }).describe('What happened, and the order as it was read.'),
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
