import { z } from 'zod'
import { Currency } from '../common.ts'
import { RestPath, RestPaths, RestQuery, RestZone } from './rest-path.ts'

/** Where the members of an order are found in a row of a JSON API, and what proves each fact. */

const Condition = z.strictObject({
  path: RestPaths,
  map: z
    .record(z.string(), z.boolean())
    .optional()
    .describe('each word that the API is known to use: true, it holds; false, it does not. Default: any value counts'),
  other: z.boolean().optional().describe('what other words say; default: they are quarantined'),
  absent: z.boolean().default(false).describe('what a missing value says'),
})

/** All of them have to hold. */
export const RestProof = z.union([Condition, z.array(Condition).min(1)], {
  error: 'a condition such as { "path": "$.status", "map": { "paid": true, "open": false } }, or a list of them',
})
export type RestProof = z.output<typeof RestProof>

const Amount = z.union([
  RestPaths,
  z.strictObject({
    path: RestPaths,
    unit: z.enum(['decimal', 'minor']).default('decimal'),
    negated: z.boolean().default(false).describe('the API writes it with a minus'),
  }),
])
export type RestAmount = z.output<typeof Amount>

const Time = z.union([
  RestPaths,
  z.strictObject({
    path: RestPaths,
    format: z.enum(['text', 'epoch-seconds', 'epoch-milliseconds']).optional(),
    zone: RestZone.optional(),
  }),
])
export type RestTime = z.output<typeof Time>

const CurrencyField = z.union([RestPaths, z.strictObject({ value: Currency }).describe('for an API that names none')])

/** Rows that are not part of the order: they are read for each order that changed. */
const Request = z.strictObject({
  path: z.string().regex(/^\/[^?#]*\{id\}[^?#]*$/, 'a path with {id} in it, such as "/orders/{id}/refunds"'),
  query: RestQuery.default({}),
  when: RestProof.optional().describe('read them only for orders of which this holds'),
})
export type RestRequest = z.output<typeof Request>

const rows = RestPath.describe('the list in the row of the order; in the answer, where there is a request')
const request = Request.optional()

export const RestLines = z.strictObject({
  rows,
  request,
  id: RestPaths.optional(),
  sku: RestPaths.optional(),
  title: RestPaths.optional(),
  quantity: RestPaths.optional(),
  price: Amount.optional(),
})
export type RestLines = z.output<typeof RestLines>

export const RestPackages = z.strictObject({
  rows,
  request,
  id: RestPaths.optional(),
  carrier: RestPaths.optional(),
  trackingNumber: RestPaths.optional(),
  trackingUrl: RestPaths.optional(),
  lines: z.strictObject({ rows: RestPath, id: RestPaths, quantity: RestPaths.optional() }).optional(),
  shipped: z
    .strictObject({ when: RestProof.optional().describe('default: that the package is listed'), at: Time.optional() })
    .prefault({}),
  delivered: z.strictObject({ when: RestProof, at: Time.optional() }).optional(),
})
export type RestPackages = z.output<typeof RestPackages>

export const RestRefunds = z.strictObject({
  rows,
  request,
  when: RestProof.optional().describe('that the money went back; default: that the refund is listed'),
  id: RestPaths,
  amount: Amount,
  currency: RestPaths.optional().describe("default: the order's"),
  reason: RestPaths.optional(),
  at: Time.optional(),
})
export type RestRefunds = z.output<typeof RestRefunds>

export const RestOrder = z.strictObject({
  id: RestPaths,
  number: RestPaths.optional(),
  currency: CurrencyField.optional(),
  total: Amount.optional(),
  placedAt: Time.optional(),
  updatedAt: Time,
  status: RestPaths.optional(),
  country: RestPaths.optional().describe('of the shipping address'),
  lines: RestLines.optional(),
  paid: z
    .strictObject({
      when: RestProof,
      at: Time.optional(),
      amount: Amount.optional().describe("default: the order's total"),
      method: RestPaths.optional(),
    })
    .optional(),
  packages: RestPackages.optional(),
  delivered: z.strictObject({ when: RestProof, at: Time.optional() }).optional(),
  refunds: RestRefunds.optional().describe('one record for each refund'),
  refunded: z
    .strictObject({
      total: Amount.optional().describe('the running total'),
      full: RestProof.optional(),
      partial: RestProof.optional(),
      at: Time.optional(),
      reason: RestPaths.optional(),
    })
    .optional()
    .describe('what the order itself says of its refunds'),
  cancelled: z.strictObject({ when: RestProof, at: Time.optional(), reason: RestPaths.optional() }).optional(),
})
export type RestOrder = z.output<typeof RestOrder>
