import { z } from 'zod'
import { Mixed } from './mixed.ts'

/**
 * Shoplazza's orders and refund records, version 2022-01 and the family of 2025-06, as far as they are used: what is not named here
 * (names, addresses, phones, notes) is dropped at once. Both are read alike, by the fields that are there.
 */

export const SHOPLAZZA_STATUSES = ['opened', 'placed', 'finished', 'cancelled'] as const

/** Payment is proven, whatever became of the money since: what is being or was refunded had been paid. */
export const SHOPLAZZA_PAID = ['paid', 'partially_refunded', 'refunded', 'refunding', 'refund_failed'] as const

/** There was a refund, or an attempt at one: the refund records are worth reading. */
export const SHOPLAZZA_REFUND = ['refunding', 'partially_refunded', 'refunded', 'refund_failed'] as const

/** The last two came with 2025-06. */
export const SHOPLAZZA_FINANCIAL_STATUSES = [
  ...SHOPLAZZA_PAID,
  'waiting',
  'paying',
  'cancelled',
  'failed',
  'authorized',
  'partially_paid',
] as const

export const SHOPLAZZA_FULFILLMENT_STATUSES = [
  'initialled',
  'waiting',
  'partially_shipped',
  'shipped',
  'partially_finished',
  'finished',
  'cancelled',
  'returning',
  'returned',
  'partially_returned',
] as const

export const SHOPLAZZA_PACKAGE_STATUSES = ['waiting', 'shipped', 'finished', 'cancelled'] as const

export const SHOPLAZZA_REFUND_STATUSES = ['pending', 'failed', 'finished'] as const

export const ShoplazzaLine = z.object({
  id: Mixed,
  sku: Mixed,
  product_title: Mixed,
  quantity: Mixed,
  price: Mixed,
  /** How many of it are in the package; lines of packages only. */
  shipping_quantity: Mixed,
})

export const ShoplazzaPackage = z.object({
  id: Mixed,
  status: Mixed,
  tracking_company: Mixed,
  tracking_company_code: Mixed,
  tracking_number: Mixed,
  tracking_url: Mixed,
  created_at: Mixed,
  updated_at: Mixed,
  line_items: Mixed,
})
export type ShoplazzaPackage = z.infer<typeof ShoplazzaPackage>

export const ShoplazzaPaymentLine = z.object({ payment_method: Mixed, payment_channel: Mixed })

export const ShoplazzaAddress = z.object({ country_code: Mixed })

/** `deleted_at` is left out on purpose: it is set on orders that are alive and paid (case 30). */
export const ShoplazzaOrder = z.object({
  id: Mixed,
  number: Mixed,
  status: Mixed,
  financial_status: Mixed,
  fulfillment_status: Mixed,
  currency: Mixed,
  /** What the customer pays in the end, a numeric string. */
  total_price: Mixed,
  total_paid: Mixed,
  /** What was refunded so far, and succeeded. */
  total_refund_price: Mixed,
  payment_method: Mixed,
  payment_line: Mixed,
  /** Payment; for cash on delivery the placing of the order. */
  placed_at: Mixed,
  updated_at: Mixed,
  /** In 2022-01; `cancelled_at` later. Either may be null on a cancelled order (case 31). */
  canceled_at: Mixed,
  cancelled_at: Mixed,
  cancel_reason: Mixed,
  shipping_address: Mixed,
  line_items: Mixed,
  fulfillments: Mixed,
})
export type ShoplazzaOrder = z.infer<typeof ShoplazzaOrder>

export const ShoplazzaPayout = z.object({ finished_at: Mixed })

export const ShoplazzaRefundRecord = z.object({
  id: Mixed,
  order_id: Mixed,
  refund_price: Mixed,
  currency: Mixed,
  /** In 2022-01; `refund_status` later. */
  status: Mixed,
  refund_status: Mixed,
  reason: Mixed,
  refund_reason: Mixed,
  finished_at: Mixed,
  updated_at: Mixed,
  /** How the money went back, each part with its own `finished_at`. */
  payment_details: Mixed,
})
export type ShoplazzaRefundRecord = z.infer<typeof ShoplazzaRefundRecord>
