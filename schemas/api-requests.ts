import { z } from 'zod'
import { Slug } from './common.ts'
import { Duration, EndpointConfig } from './config.ts'
import { EventType } from './order-event.ts'

/** What the HTTP API is asked: validated on the way in; OpenAPI is generated from it. */

/** A point in time as a person gives it; becomes milliseconds. A date alone is its first moment, UTC. */
export const Instant = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], {
    error: 'an RFC 3339 time such as "2026-03-02T10:15:30Z", or a date such as "2026-03-02"',
  })
  .transform(text => Date.parse(text))

export const Paging = z.strictObject({
  limit: z.number().int().min(1).max(250).default(50).describe('entries on a page, at most 250'),
  after: z.string().min(1).max(1000).optional().describe('the `next` of the page before'),
})

/** An order as a person names it. */
const OrderName = z.string().min(1).max(255).describe("the vendor's order id, or the order's number")

const eventFilter = {
  type: z.array(EventType).min(1).optional().describe('may be repeated, or a comma list'),
  connection: z.array(Slug).min(1).optional().describe('may be repeated, or a comma list'),
  order: OrderName.optional(),
  since: Instant.optional().describe('observed at or after'),
  until: Instant.optional().describe('observed before'),
}

export const EventQuery = z.strictObject({
  ...eventFilter,
  order: OrderName.optional().describe(
    "the vendor's order id, or the order's number; `desc` (newest first) and `asc` are taken as `direction`",
  ),
  direction: z.enum(['asc', 'desc']).optional().describe('by the time they were published; default `asc`'),
  ...Paging.shape,
})

export const StreamQuery = z.strictObject({
  ...eventFilter,
  since: Instant.optional().describe('begin with the past events observed since then, instead of with live ones'),
  lastEventId: z.string().min(1).max(200).optional().describe('the same as the header Last-Event-ID'),
})

export const PollQuery = z.strictObject({
  order: z.string().min(1).max(255).optional().describe('read only this order'),
  user: z.string().min(1).max(255).optional().describe("the order's buyer, where the vendor asks for it"),
  dryRun: z.boolean().optional().describe('derive the events, store and publish nothing'),
})

export const BackfillBody = z
  .strictObject({
    since: Instant.describe('orders created or updated at or after'),
    until: Instant.optional().describe('up to; default: now'),
  })
  .meta({ id: 'BackfillRequest' })

export const BackfillQuery = z.strictObject({ limit: Paging.shape.limit })

export const FollowOrder = z.strictObject({ userId: z.string().min(1).max(255).optional() }).meta({ id: 'FollowOrder' })

export const EndpointCreate = z
  .strictObject({
    ...EndpointConfig.shape,
    id: Slug.optional().describe('generated if absent'),
    types: EndpointConfig.shape.types.nullable().describe('null: all'),
    connections: EndpointConfig.shape.connections.nullable().describe('null: all'),
    filter: EndpointConfig.shape.filter.nullable(),
    headers: EndpointConfig.shape.headers.nullable(),
    delivery: EndpointConfig.shape.delivery.nullable(),
    description: EndpointConfig.shape.description.nullable(),
    replaySince: Instant.optional().describe('deliver the past since then first'),
  })
  .meta({ id: 'EndpointCreate' })

export const EndpointPatch = z
  .strictObject({
    url: EndpointConfig.shape.url.optional(),
    types: EndpointConfig.shape.types.nullable(),
    connections: EndpointConfig.shape.connections.nullable(),
    filter: EndpointConfig.shape.filter.nullable(),
    headers: EndpointConfig.shape.headers.nullable(),
    delivery: EndpointConfig.shape.delivery.nullable(),
    description: EndpointConfig.shape.description.nullable(),
  })
  .meta({ id: 'EndpointPatch', description: 'Absent members stay; null clears.' })

export const Replay = z
  .strictObject({
    since: Instant.optional(),
    until: Instant.optional(),
    types: z.array(EventType).min(1).optional(),
    order: OrderName.optional(),
  })
  .meta({ id: 'Replay', description: 'Which past events; absent members do not limit.' })

export const Republish = z
  .strictObject({
    since: Instant,
    until: Instant.optional(),
    connection: z.array(Slug).min(1).optional().describe('absent: all that are enabled'),
  })
  .meta({ id: 'Republish', description: 'Which past events, by the time they were observed.' })

export const ReplayQuery = z.strictObject({
  preview: z.boolean().optional().describe('only say what would be queued'),
})

export const Resend = z
  .strictObject({ destination: Slug })
  .meta({ id: 'Resend', description: 'Where this one event is delivered again.' })

export const DeliveryStatus = z.enum(['delivered', 'waiting', 'dead'])

export const DeliveryQuery = z.strictObject({
  destination: Slug.optional(),
  event: z.string().min(1).max(200).optional().describe('an event id'),
  order: OrderName.optional(),
  status: DeliveryStatus.optional(),
  outcome: z
    .enum(['delivered', 'retry', 'dead', 'failed'])
    .optional()
    .describe('of the latest attempt: `retry` waits for another one, `dead` was given up, `failed` is either'),
  type: z.array(EventType).min(1).optional().describe('of the event; may be repeated, or a comma list'),
  answer: z
    .enum(['2xx', '3xx', '4xx', '5xx', 'none'])
    .optional()
    .describe('the class of the status code of the latest attempt; `none`: no answer came, or a handler was called'),
  since: Instant.optional().describe('acknowledged, given up, or (waiting) observed at or after'),
  until: Instant.optional().describe('the same, before'),
  ...Paging.shape,
})

export const OrderQuery = z.strictObject({
  number: z.string().min(1).max(255).optional().describe('an order number or id, or how one begins'),
  connection: Slug.optional(),
  ...Paging.shape,
})

const types = z.union([EventType, z.array(EventType).min(1)], { error: 'an event type, or a list of them' })

const letterFilter = {
  ids: z.array(z.string().min(1).max(100)).min(1).max(1000).optional(),
  destination: Slug.optional(),
  type: types.optional(),
  error: z.string().min(1).max(10_000).optional().describe('exactly this `lastError`'),
  since: Instant.optional().describe('of the events: observed at or after'),
  until: Instant.optional().describe('of the events: observed before'),
}

export const DeadLetterQuery = z.strictObject({
  destination: Slug.optional(),
  type: z.array(EventType).min(1).optional().describe('may be repeated, or a comma list'),
  error: letterFilter.error,
  since: letterFilter.since,
  until: letterFilter.until,
  ...Paging.shape,
})

export const Redrive = z
  .strictObject({ ...letterFilter, dryRun: z.boolean().optional().describe('only count, and queue nothing') })
  .meta({ id: 'Redrive', description: 'Which dead letters; {} is all of them.' })

export const RedriveQuery = z.strictObject({ dryRun: z.boolean().optional().describe('the same as in the body') })

export const Discard = z
  .strictObject({ ...letterFilter, reason: z.string().trim().min(1).max(500).describe('why; it is logged') })
  .meta({ id: 'Discard', description: 'Which dead letters, and why; without any filter all of them.' })

/** What a subscriber may do besides looking. */
const SubscriberMay = z.enum(['test', 'replay', 'resume', 'rotate'])

export const EndpointLink = z
  .strictObject({
    ttl: Duration.optional().describe(
      'how long the link, and then the session it opens, is good; default "24h", at most "30d"',
    ),
    may: z.array(SubscriberMay).max(4).optional().describe('besides looking; default: nothing'),
  })
  .meta({ id: 'EndpointLink', description: 'A way for a subscriber to its own endpoint.' })

export const EndpointTest = z
  .strictObject({ type: EventType.optional().describe('send a sample of this type') })
  .meta({ id: 'EndpointTest' })

export const FilterTest = z
  .strictObject({
    types: EndpointConfig.shape.types.nullable(),
    connections: EndpointConfig.shape.connections.nullable(),
    filter: EndpointConfig.shape.filter.nullable(),
  })
  .meta({ id: 'FilterTest', description: 'What an endpoint would want; absent or null: all.' })

export const QuarantineQuery = z.strictObject({
  connection: Slug.optional(),
  order: OrderName.optional(),
  ...Paging.shape,
})

export const VerifyQuery = z.strictObject({
  connection: z.array(Slug).min(1).optional().describe('only these; may be repeated, or a comma list'),
  againstVendor: z.boolean().optional().describe('also compare the latest orders with what the vendors show now'),
  orders: z.number().int().min(1).max(10_000).optional().describe('how many of each connection; default 100'),
})

/** What a key may do. */
export const KeyRole = z.enum(['read', 'write', 'admin'])

export const ApiKeyCreate = z
  .strictObject({
    name: z
      .string()
      .trim()
      // Without flags: this is a pattern of the OpenAPI document, which Python and Go read as well.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is refused
      .regex(/^[^\x00-\x1f\x7f-\x9f]{1,100}$/, 'at most 100 printable characters')
      .describe('who or what uses it'),
    role: KeyRole,
  })
  .meta({ id: 'ApiKeyCreate' })
