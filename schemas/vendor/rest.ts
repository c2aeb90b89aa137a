import { z } from 'zod'
import { HeaderText, Secret, type VendorOptions } from '../connection.ts'
import { RestOrder, RestProof } from './rest-order.ts'
import { RestPath, RestPlace, RestQuery, RestZone } from './rest-path.ts'

/** How a JSON order API is described in a configuration, for a vendor that has no source of its own. `docs/rest-source.md` explains each key. */

const Auth = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('bearer'), token: HeaderText }),
  z.strictObject({ type: z.literal('basic'), username: Secret, password: Secret }),
  z.strictObject({ type: z.literal('header'), headers: z.record(z.string().min(1), HeaderText) }),
  z.strictObject({ type: z.literal('query'), keys: z.record(z.string().min(1), Secret) }),
  z.strictObject({ type: z.literal('none') }),
])

/** A path of the API below `baseUrl`. */
const ApiPath = z.string().regex(/^\/[^?#]*$/, 'a path that begins with "/", without a query, such as "/orders"')
const OrderPath = ApiPath.refine(path => path.includes('{id}'), 'a path with {id} in it, such as "/orders/{id}"')

/** Where an answer tells a number: in a header or in the body. */
const Counted = z.union([z.strictObject({ header: z.string().min(1) }), z.strictObject({ path: RestPath })], {
  error: 'where the answer tells it: { "header": "X-Total" } or { "path": "$.total" }',
})

const Paging = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('page'), param: z.string().min(1), first: z.number().int().min(0).default(1) }),
  z.strictObject({ type: z.literal('offset'), param: z.string().min(1) }),
  z.strictObject({
    type: z.literal('cursor'),
    param: z.string().min(1),
    next: RestPath.describe('the cursor of the next page; empty: this was the last'),
    more: RestProof.optional().describe('that there is a next page; default: that there is a cursor'),
  }),
  z.strictObject({
    type: z.literal('link'),
    next: RestPath.optional().describe('the address of the next page in the body; default: the Link header'),
  }),
  z.strictObject({ type: z.literal('none') }),
])

const FILTER_FORMATS = ['rfc3339', 'local', 'sql', 'date', 'rfc2822', 'epoch-seconds', 'epoch-milliseconds'] as const
export type FilterFormat = (typeof FILTER_FORMATS)[number]

const Filter = RestQuery.refine(
  query => ['{from}', '{to}'].every(place => JSON.stringify(query).includes(place)),
  'parameters with {from} and {to} in them, such as { "updated_min": "{from}", "updated_max": "{to}" }',
)

const List = z.strictObject({
  path: ApiPath,
  query: RestQuery.default({}).describe('sent with every page'),
  rows: RestPlace.default('$').describe('the list of orders in the answer'),
  size: z
    .strictObject({ param: z.string().min(1).optional(), value: z.number().int().min(1).max(10_000) })
    .describe('the most rows of a page, and the parameter that asks for so many'),
  paging: Paging,
  total: Counted.optional().describe('how many rows all pages have'),
  pages: Counted.optional().describe('how many pages there are'),
  updated: Filter.describe('parameters that ask for a span of update time'),
  created: Filter.optional().describe('the same for creation time; then reconciliation reads by it as well'),
  times: z
    .strictObject({
      format: z.enum(FILTER_FORMATS).default('rfc3339'),
      zone: RestZone.default('UTC').describe('the zone of times that are sent without one'),
      precision: z.enum(['1ms', '1s', '1m', '1d']).default('1s').describe('what the filter can tell apart'),
      exclusive: z.boolean().default(false).describe('the API leaves out rows that have exactly the time asked for'),
    })
    .prefault({}),
})

const One = z.strictObject({
  path: OrderPath,
  query: RestQuery.default({}),
  row: RestPlace.default('$').describe('the order in the answer'),
  each: z.boolean().default(false).describe('rows of the list lack members: each changed order is read by itself'),
})

const RestOptions = z.object({
  auth: Auth,
  headers: z.record(z.string().min(1), HeaderText).default({}).describe('sent with every request'),
  ok: RestProof.optional().describe(
    'what each answer must say of itself, for an API that reports failures with status 200',
  ),
  list: List,
  one: One,
  times: z
    .strictObject({
      format: z.enum(['text', 'epoch-seconds', 'epoch-milliseconds']).default('text'),
      zone: RestZone.optional().describe('the zone of times that name none; default: UTC, with a warning'),
    })
    .prefault({})
    .describe('how the times of an order are written'),
  order: RestOrder,
})
export type RestOptions = z.output<typeof RestOptions>

export const REST = { vendor: 'rest', config: RestOptions } as const satisfies VendorOptions
