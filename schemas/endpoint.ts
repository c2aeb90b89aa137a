import { z } from 'zod'
import { OrderEvent } from './order-event.ts'

/** What an endpoint may say of itself besides where it is: which events it wants by their members, and headers of its own. */

const DECIMAL = /^-?\d{1,15}(\.\d{1,9})?$/

/** A bound for amounts and counts, exact: a decimal string, or a number that is written as one. */
const Bound = z
  .union([z.string(), z.number()], { error: 'a decimal number such as "19.99"' })
  .transform(String)
  .refine(
    text => DECIMAL.test(text),
    'a decimal number such as "19.99", with at most 15 digits before and 9 after the point',
  )

const OneOf = z
  .array(z.union([z.string().max(200), z.number(), z.boolean()], { error: 'a text, a number, true or false' }))
  .min(1)
  .max(50)

const Between = z
  .strictObject({ gte: Bound.optional(), lte: Bound.optional() })
  .refine(({ gte, lte }) => gte !== undefined || lte !== undefined, '"gte", "lte" or both')

const Condition = z.union([OneOf, z.strictObject({ exists: z.boolean() }), Between], {
  error: 'a list of values such as ["EUR"], { "exists": true }, or { "gte": "10.00", "lte": "99" }',
})
export type Condition = z.output<typeof Condition>

/** Marks an issue that is about a key, not about what stands there (which may be secret). */
const ABOUT_NAME = { about: 'name' }

/** Members of events by their path; lists are not gone into. */
function pathsOf(schema: z.core.$ZodType, path: string, into: Set<string>): Set<string> {
  const inner = unwrapped(schema)
  if (path !== '') into.add(path)
  if (inner instanceof z.ZodObject)
    for (const [name, member] of Object.entries(inner.shape))
      pathsOf(member as z.core.$ZodType, path === '' ? name : `${path}.${name}`, into)
  return into
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodNullable || schema instanceof z.ZodOptional ? unwrapped(schema.unwrap()) : schema
}

const PATHS = new Set(OrderEvent.options.flatMap(option => [...pathsOf(option, '', new Set())]))

/** All conditions must hold. Keys are paths of members, as in `"data.order.currency"`. */
export const EndpointFilter = z
  .record(z.string().max(100), Condition)
  .superRefine((filter, context) => {
    const paths = Object.keys(filter)
    if (paths.length === 0 || paths.length > 20)
      context.addIssue({ code: 'custom', message: 'from 1 to 20 conditions, or no `filter` at all for all events' })
    for (const path of paths)
      if (!PATHS.has(path))
        context.addIssue({
          code: 'custom',
          path: [path],
          message: 'the path of a member that events have, such as "data.order.currency"',
          params: ABOUT_NAME,
        })
  })
  .meta({
    id: 'EndpointFilter',
    description:
      'Only events whose members fulfil all of these. A list: the member is one of the values. `exists`: it is there and not null (or not). `gte`, `lte`: bounds of a decimal number, inclusive.',
  })
export type EndpointFilter = z.output<typeof EndpointFilter>

/** What the sender says itself, and what says how the bytes travel. */
const RESERVED =
  /^(host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|user-agent|http2-settings|content-.*|proxy-.*|webhook-.*|orderwire-.*)$/
const [MOST_HEADERS, MOST_BYTES] = [20, 4096]

const HeaderValue = z
  .string()
  .min(1)
  .regex(/^[!-~](?:[\t -~]*[!-~])?$/, 'printable ASCII without line breaks, and no spaces around it')

/** Headers sent along with every delivery; names in lower case. */
export const EndpointHeaders = z
  .record(z.string(), HeaderValue)
  .superRefine((headers, context) => {
    const names = Object.keys(headers)
    if (names.length > MOST_HEADERS) context.addIssue({ code: 'custom', message: `at most ${MOST_HEADERS} headers` })
    const size = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
    if (size > MOST_BYTES)
      context.addIssue({ code: 'custom', message: `at most ${MOST_BYTES} bytes of names and values` })
    const seen = new Set<string>()
    for (const name of names) {
      const lower = name.toLowerCase()
      const problem = !/^[!#$%&'*+.^_`|~0-9a-z-]{1,100}$/.test(lower)
        ? 'the name of a header'
        : RESERVED.test(lower)
          ? 'a header that neither the sender nor HTTP sets itself'
          : seen.has(lower)
            ? 'a header that is not given twice'
            : null
      if (problem)
        context.addIssue({ code: 'custom', path: [name.slice(0, 100)], message: problem, params: ABOUT_NAME })
      seen.add(lower)
    }
  })
  .transform(headers => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])))
  .meta({
    id: 'EndpointHeaders',
    description: 'Sent with every delivery. Kept encrypted; only the names are shown again.',
  })
export type EndpointHeaders = z.output<typeof EndpointHeaders>

export const EndpointSecret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, '"whsec_" and base64 of 24 to 64 bytes')
