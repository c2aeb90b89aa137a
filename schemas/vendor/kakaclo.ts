import { z } from 'zod'
import { Mixed } from './mixed.ts'

/**
 * Kakaclo's order list, versions 1 and 2, as far as it is used: what is not named here (recipient, phone, street) is dropped at once.
 * [1] and [2] say which version's documents name a field; both versions are read alike, by the fields that are there (case 4).
 */

export const KakacloAnswer = z.object({
  /** 10000 is success; anything else is a failure, also with HTTP 200 (case 1). [1,2] */
  code: Mixed,
  data: Mixed,
})

export const KakacloPage = z.object({
  /** Rows of the whole window. [1,2] */
  total: Mixed,
  /** Rows a page can have. [1,2] */
  pageSize: Mixed,
  list: Mixed,
})

export const KakacloItem = z.object({
  /** The line's id. `itemId` may repeat within an order, so it is not used. [1,2] */
  id: Mixed,
  skuCode: Mixed,
  productName: Mixed,
  productNum: Mixed,
  /** Price of one piece. [1] */
  purchasePrices: Mixed,
  /** Price of one piece. [2] */
  amount: Mixed,
})

export const KakacloTracking = z.object({ carrier: Mixed, trackingCode: Mixed })

export const KakacloFulfillment = z.object({
  /** The package's id. [1,2] */
  id: Mixed,
  /** The same, where there is no `id`. [2] */
  packId: Mixed,
  /** `preparing|cancelled|shipped|completed`; may be missing even in version 2. `completed` is signed for. [2] */
  status: Mixed,
  /** When the package left, not when it arrived. [1,2] */
  deliveryTime: Mixed,
  trackingCode: Mixed,
  carrier: Mixed,
  logisticsSearchUrl: Mixed,
  /** All tracking numbers of the package, the latest first. [1,2] */
  trackingInfos: Mixed,
  /** The lines in it. [1] */
  orderItems: Mixed,
  /** The lines in it. [2] */
  items: Mixed,
})

export const KakacloAddress = z.object({ country: Mixed })

/** `completedAt` and `completedDate` are left out on purpose: they may equal the time of payment and prove no arrival (case 5). */
export const KakacloOrder = z.object({
  id: Mixed,
  /** The buyer's own number; several orders may share one (case 10). [1,2] */
  customOrderId: Mixed,
  /** [1] `waiting_payment|cancel|waiting_to_ship|refunding|refunded|…`; [2] `abnormal_order|waiting_payment|processing|completed|cancel`. */
  status: Mixed,
  /** `NULL|waiting|paid`. [2] */
  financialStatus: Mixed,
  /** `NULL|waiting_to_ship|partially_shipped|fully_shipped|completed`; `completed` is received. [2] */
  fulfillmentStatus: Mixed,
  /** `NULL|refunding|partial_refund|refunded`, once written `refund`. [2] */
  refundStatus: Mixed,
  purchaseDate: Mixed,
  /** Time of payment. [1] */
  payAt: Mixed,
  /** Time of payment. [2] */
  payDate: Mixed,
  cancelDate: Mixed,
  refundDate: Mixed,
  createDate: Mixed,
  /** Time of the last update, as documented. [1,2] */
  updateDate: Mixed,
  /** The same, as the samples have it. [1,2] */
  modifyDate: Mixed,
  /** Absent: USD, or what the connection says. [2] */
  currencyCode: Mixed,
  /** Amount paid, as documented. [1,2] */
  finalAmount: Mixed,
  /** The same, as a sample has it. [1] */
  totalAmount: Mixed,
  /** Refunded so far, in all. [2] */
  refundedAmount: Mixed,
  orderItems: Mixed,
  fulfillments: Mixed,
  shippingAddress: Mixed,
})
export type KakacloOrder = z.infer<typeof KakacloOrder>
