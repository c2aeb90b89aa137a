import { z } from 'zod'
import { Amount, Currency, Timestamp } from './common.ts'
import { OrderLine, ShippedLine } from './order-event.ts'

/**
 * The snapshot: one order as one vendor shows it at one moment, in our words. A source turns a vendor's row into this;
 * everything behind it (facts, events) knows no vendor. It says only what the row proves; what it does not prove is null.
 */

/** When something happened, if the vendor gives a time for this very thing; else null (then the order's update time, else ours). `updated`: the time given is that of an update, not of the thing itself. */
export const When = z.object({ at: Timestamp, source: z.enum(['vendor', 'updated']) }).nullable()
export type When = z.infer<typeof When>

export const Package = z.object({
  /** The vendor's id of the package; null where it has none (then `trackingNumber` with the carrier tells packages apart; both null: the order as a whole). */
  packageId: z.string().nullable(),
  carrier: z.string().nullable(),
  trackingNumber: z.string().nullable(),
  trackingUrl: z.string().nullable(),
  lines: z.array(ShippedLine),
  /** Whether the vendor gives this package a status of its own; then only that proves its arrival, never a status of the order. */
  statusGiven: z.boolean(),
  /** Proof of dispatch; null: not proven. */
  shipped: z.object({ when: When }).nullable(),
  /** Proof of arrival of this package; null: not proven. */
  delivered: z.object({ when: When }).nullable(),
})
export type Package = z.infer<typeof Package>

export const RefundRecord = z.object({
  refundId: z.string(),
  /** null: unreadable; the refund is said with amount null. */
  amount: Amount.nullable(),
  /** The order's, where the record names none; null: unreadable. */
  currency: Currency.nullable(),
  reason: z.string().nullable(),
  when: When,
})
export type RefundRecord = z.infer<typeof RefundRecord>

export const RefundView = z.object({
  /** Finished refund records. `unavailable`: there are none for us at this vendor (no such API, or 403/404/405). `delayed`: could not be read now, or is not read yet. */
  records: z.union([z.array(RefundRecord), z.literal('unavailable'), z.literal('delayed')]),
  /** The running total refunded so far. null: the vendor gives none, or it cannot be read (then `doubts` names it and `totalUnreadable` is true). */
  total: Amount.nullable(),
  totalUnreadable: z.boolean(),
  /** The vendor's own word that all of it (true) or only a part (false) is refunded; null: it does not say. */
  full: z.boolean().nullable(),
  reason: z.string().nullable(),
  when: When,
})
export type RefundView = z.infer<typeof RefundView>

/** A value that could not be understood. It costs the one fact that hangs on it, never the rest of the order. */
export const Doubt = z.object({
  /** Where in the vendor's row, e.g. `refundedAmount` or `fulfillments[1].status`. */
  path: z.string(),
  /** What was found, as JSON, at most 200 characters; never personal data. */
  value: z.string(),
  /** What was expected, and what it costs, in one sentence. */
  reason: z.string(),
})
export type Doubt = z.infer<typeof Doubt>

export const OrderSnapshot = z.object({
  orderId: z.string().min(1),
  orderNumber: z.string().nullable(),
  currency: Currency.nullable(),
  total: Amount.nullable(),
  placedAt: Timestamp.nullable(),
  updatedAt: Timestamp.nullable(),
  status: z.string().nullable(),
  lines: z.array(OrderLine),
  shipTo: z.object({ country: z.string() }).nullable(),
  /** Proof of payment. `amount` null: not given or unreadable. */
  paid: z.object({ when: When, amount: Amount.nullable(), method: z.string().nullable() }).nullable(),
  packages: z.array(Package),
  /** Proof that the whole order arrived, where the vendor says it of the order and not of packages. */
  delivered: z.object({ when: When }).nullable(),
  refund: RefundView.nullable(),
  cancelled: z.object({ when: When, reason: z.string().nullable() }).nullable(),
  doubts: z.array(Doubt),
})
export type OrderSnapshot = z.infer<typeof OrderSnapshot>
