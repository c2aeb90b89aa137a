import { z } from 'zod'
import { Mixed } from './mixed.ts'

/**
 * Tuya mall's answers, as far as they are used: what is not named here (names, phones, streets) is dropped at once. The fields are
 * those of the order detail's published description; the search has the same without `commodity_list`.
 */

/** `{success, t, tid, result}`, or `{success: false, code, msg, t, tid}`; samples also show a result without any of it. */
export const TuyaEnvelope = z.object({
  success: Mixed,
  /** Meaning of a failure; `msg` varies and is never looked at. */
  code: Mixed,
  /** The vendor's clock, epoch milliseconds. */
  t: Mixed,
  result: Mixed,
})

export const TuyaToken = z.object({
  access_token: z.string().min(1),
  /** Good for one refresh. */
  refresh_token: z.string().min(1).nullish().catch(null),
  /** Seconds. */
  expire_time: Mixed,
})

export const TuyaSearch = z.object({
  /** Orders of this user in all. */
  total: Mixed,
  data_list: Mixed,
})

export const TuyaDelivery = z.object({
  logistics_company: Mixed,
  logistics_no: Mixed,
  logistics_url: Mixed,
})

export const TuyaPrice = z.object({ amount: Mixed, currency: Mixed })

export const TuyaCommodity = z.object({ id: Mixed, sku: Mixed, title: Mixed, quantity: Mixed, price: Mixed })

export const TuyaAddress = z.object({ country_code: Mixed, country: Mixed })

export const TuyaOrder = z.object({
  order_id: Mixed,
  /** No published enumeration; only `paid` is seen. */
  pay_status: Mixed,
  /** No published enumeration; only `shipped` is seen. */
  delivery_status: Mixed,
  /** Documented as `Long`, seen as `"20220901"`: a date, UTC. */
  created_time: Mixed,
  /** The same. Its presence is what says that the order is cancelled. */
  canceled_time: Mixed,
  cancel_reason: Mixed,
  /** `current_total_price` is another amount, and not the one paid. */
  total_price: Mixed,
  currency: Mixed,
  delivery_list: Mixed,
  commodity_list: Mixed,
  shipping_address: Mixed,
})
export type TuyaOrder = z.infer<typeof TuyaOrder>
