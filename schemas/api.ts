import { z } from 'zod'
import { DeliveryStatus, KeyRole } from './api-requests.ts'
import { Slug, Timestamp, Vendor } from './common.ts'
import { DeliveryOptions, RateLimit } from './config.ts'
import { EndpointFilter } from './endpoint.ts'
import { OrderSnapshot } from './order.ts'
import {
  EventType,
  OrderCancelled,
  OrderDelivered,
  OrderEvent,
  OrderLine,
  OrderPaid,
  OrderRefunded,
  OrderShipmentUpdated,
  OrderShipped,
  ShippedLine,
} from './order-event.ts'

/** What the HTTP API promises on the way out; what it is asked is in `api-requests.ts`. OpenAPI is generated from both. */

export const FieldError = z.object({ path: z.string(), message: z.string() })
export type FieldError = z.infer<typeof FieldError>

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    errors: z.array(FieldError).optional().describe('what is wrong with which member or parameter'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' })

const Check = z.object({ state: z.enum(['ok', 'failing', 'elsewhere']), detail: z.string() })
const checks = z.object({ store: Check, eventLog: Check, ingest: Check, dispatch: Check })

export const Ready = z
  .object({ status: z.literal('ready'), checks })
  .meta({ id: 'Ready', description: '`elsewhere`: another process has this role' })
export const NotReady = Problem.extend({ checks }).meta({ id: 'NotReady' })
export type Checks = z.infer<typeof checks>

export const Connection = z
  .object({
    id: Slug,
    vendor: Vendor,
    enabled: z.boolean().describe('false: turned off in the configuration'),
    state: z
      .enum(['ok', 'behind', 'failing', 'stopped'])
      .describe('stopped: the vendor refuses the credentials, or the connection is not enabled'),
    cursor: Timestamp.nullable().describe('everything changed up to then has been read; null: never polled'),
    lagSeconds: z
      .number()
      .nonnegative()
      .nullable()
      .describe("how far reading is behind; a difference of the vendor's clock and ours is no lag"),
    clock: z
      .object({
        aheadSeconds: z.number().describe("how far the vendor's clock is ahead of ours; negative: behind"),
        warning: z.string(),
      })
      .nullable()
      .describe("the vendor's clock and ours differ by more than a minute; null: they do not"),
    lastSuccessAt: Timestamp.nullable(),
    nextPollAt: Timestamp.nullable(),
    lastError: z.string().nullable(),
    ordersTracked: z.number().int(),
    quarantined: z.number().int(),
    webhooks: z
      .object({
        lastReceivedAt: Timestamp.nullable().describe('to a minute; null: none ever'),
        silent: z.boolean().describe('polls find changes that no webhook announces: create the subscription again'),
      })
      .nullable()
      .describe('null: the connection takes none'),
    reconcile: z
      .object({
        lastAt: Timestamp.nullable().describe('when the last one ended; null: none yet'),
        nextAt: Timestamp.nullable().describe('null: one is running, or about to begin for the first time'),
        orders: z.number().int().describe('orders that the last one read'),
        events: z.number().int().describe('events that it published and no poll had shown'),
        lastError: z.string().nullable().describe('why the running one does not go on'),
      })
      .nullable()
      .describe('recent orders read again from time to time; null: turned off, or the connection follows orders'),
  })
  .meta({ id: 'Connection' })
export type Connection = z.infer<typeof Connection>

export const Backfill = z
  .object({
    id: z.string(),
    connection: Slug,
    since: Timestamp,
    until: Timestamp.nullable().describe('null: up to when it began'),
    state: z
      .enum(['waiting', 'running', 'failing', 'done', 'failed'])
      .describe('failing: it cannot go on now and tries again; failed: it was given up'),
    askedAt: Timestamp,
    endedAt: Timestamp.nullable(),
    pages: z.number().int(),
    orders: z.number().int().describe('orders read'),
    events: z.number().int().describe('events published that were missing'),
    progress: z.number().min(0).max(1),
    secondsLeft: z.number().int().nonnegative().nullable().describe('as the past suggests; null: not known yet'),
    error: z.string().nullable(),
  })
  .meta({ id: 'Backfill', description: 'A span that is read again on demand' })
export type Backfill = z.infer<typeof Backfill>

export const PollAnswer = z
  .object({
    orders: z.number().int().describe('orders read'),
    events: z.number().int().describe('new events'),
    quarantined: z.number().int(),
    data: z.array(OrderEvent).describe('the new events themselves'),
  })
  .meta({ id: 'PollAnswer' })

export const OrderAnswer = z
  .object({
    order: OrderSnapshot.extend({ connection: Slug, vendor: Vendor, observedAt: Timestamp }),
    events: z.array(OrderEvent),
  })
  .meta({ id: 'OrderAnswer', description: 'The order as last seen, and its events, oldest first' })

export const OrderEntry = OrderSnapshot.pick({
  orderId: true,
  orderNumber: true,
  currency: true,
  total: true,
  placedAt: true,
  updatedAt: true,
  status: true,
})
  .extend({ connection: Slug, vendor: Vendor, observedAt: Timestamp })
  .meta({ id: 'OrderEntry', description: 'The order as last seen, in short' })
export type OrderEntry = z.infer<typeof OrderEntry>

const state = z.enum(['active', 'paused', 'disabled'])

export const Endpoint = z
  .object({
    id: Slug,
    url: z.string(),
    types: z.array(EventType).nullable().describe('null: all'),
    connections: z.array(Slug).nullable().describe('null: all'),
    filter: EndpointFilter.nullable().describe('null: whatever is in them'),
    headerNames: z.array(z.string()).describe('of its own headers; their values are not shown'),
    delivery: z
      .object({
        timeout: z.string(),
        retries: z.array(z.string()),
        concurrency: z.number().int(),
        rateLimit: z.object({ perSecond: z.number(), burst: z.number().int() }),
        onExhausted: z.enum(['continue', 'hold']),
      })
      .partial()
      .nullable()
      .describe('its own options; absent ones come from the configuration'),
    description: z.string().nullable(),
    state,
    stateReason: z.string().nullable(),
    replaySince: Timestamp.nullable().describe(
      'it is new, and the past since then is still being queued; what happens waits behind it. null: nothing is being queued',
    ),
    declared: z.boolean().describe('written in the configuration, and changed there'),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .meta({ id: 'Endpoint' })
export type Endpoint = z.infer<typeof Endpoint>

export const EndpointCreated = Endpoint.extend({
  secret: z.string().describe('signs the deliveries; shown this once'),
}).meta({ id: 'EndpointCreated' })

export const TestAnswer = z
  .object({
    statusCode: z.number().int().nullable(),
    ms: z.number().nonnegative(),
    error: z.string().nullable(),
    response: z.string().nullable().describe('the beginning of the body, redacted'),
    request: z.string().nullable().describe('the body that was sent'),
  })
  .meta({ id: 'TestAnswer' })

export const LinkAnswer = z
  .object({
    url: z.string().describe('opens a session for this endpoint alone, once'),
    expiresAt: Timestamp.describe('the end of the link, and of the session that it opens'),
  })
  .meta({ id: 'LinkAnswer' })

export const RotateAnswer = z
  .object({
    secret: z.string(),
    previousValidUntil: Timestamp.nullable().describe(
      'until then both secrets sign; null: the former one cannot be decrypted, and signs no more',
    ),
  })
  .meta({ id: 'RotateAnswer' })

export const Republished = z
  .object({
    republished: z.number().int().nonnegative(),
    note: z.string().optional().describe('why nothing had to be done'),
  })
  .meta({ id: 'Republished' })

export const Unpublished = z
  .object({ waiting: z.array(z.object({ connection: Slug, events: z.number().int().nonnegative() })) })
  .meta({ id: 'Unpublished' })

export const Queued = z.object({ queued: z.number().int().nonnegative() }).meta({ id: 'Queued' })

export const Destination = z
  .object({
    id: Slug,
    kind: z.enum(['handler', 'endpoint']),
    state: z.enum(['active', 'paused', 'disabled', 'open']).describe('open: its circuit is open, only probes are sent'),
    stateReason: z.string().nullable().describe('why it is paused or disabled; null: it is not'),
    restingUntil: Timestamp.nullable().describe(
      'it answered 429 or 503 with Retry-After, and is sent nothing until then; null: it does not rest',
    ),
    lastError: z.string().nullable().describe('what the latest attempt failed with; null: it did not fail'),
    failingSince: Timestamp.nullable().describe(
      'when the first failed of the attempts that nothing was delivered after',
    ),
    failuresInRow: z.number().int().nonnegative().describe('of the latest 200 attempts, those since the last success'),
    lastSuccessAt: Timestamp.nullable().describe('as far as attempts are kept, and among the latest 20,000 or so'),
    nextAttemptAt: Timestamp.nullable().describe('of what waits in the store; null: nothing waits, or it is held back'),
    backlog: z.number().int(),
    oldestWaitingSeconds: z.number().nonnegative().nullable(),
    deadLetters: z.number().int(),
    expiredDeadLetters: z.number().int().describe('dead letters that `retention.deadLetters` deleted, ever'),
    successRate: z.number().min(0).max(1).nullable().describe('of the latest attempts; null: none yet'),
    latencyMs: z.object({ p50: z.number().nullable(), p99: z.number().nullable() }),
  })
  .meta({ id: 'Destination' })
export type Destination = z.infer<typeof Destination>

export const DestinationResumed = Destination.extend({
  waiting: z.number().int().nonnegative().describe('events that have waited and are delivered now'),
}).meta({ id: 'DestinationResumed' })

export const Retried = z
  .object({ waiting: z.number().int().nonnegative().describe('events that wait and are due now') })
  .meta({ id: 'Retried' })

export const Discarded = z.object({ discarded: z.number().int().nonnegative() }).meta({ id: 'Discarded' })

export const DeadLetterPreview = z
  .object({ matching: z.number().int().nonnegative() })
  .meta({ id: 'DeadLetterPreview', description: 'How many would be redriven; nothing is queued' })

export const FilterPreview = z
  .object({
    matched: z.number().int().nonnegative(),
    of: z.number().int().nonnegative().describe('the newest events of the history, at most 500'),
    examples: z.object({
      matching: z.array(OrderEvent).describe('the newest, at most 3'),
      other: z.array(OrderEvent).describe('the newest, at most 3'),
    }),
  })
  .meta({ id: 'FilterPreview', description: 'Which of the newest events an endpoint with these wishes would get' })

export const ReplayPreview = z
  .object({
    events: z.number().int().nonnegative(),
    orders: z.number().int().nonnegative(),
    alreadyDelivered: z.number().int().nonnegative().describe('of them, as far as attempts are kept'),
    estimatedSeconds: z.number().nonnegative().describe('until all are delivered, at the pace of the latest attempts'),
  })
  .meta({ id: 'ReplayPreview', description: 'What a replay would deliver; nothing is queued' })

export const EndpointShown = Endpoint.extend({
  health: Destination.omit({ id: true, kind: true }).describe('how it is doing; its `state` also says `open`'),
}).meta({ id: 'EndpointShown' })

export const Delivery = z
  .object({
    id: z.string(),
    destination: Slug,
    eventId: z.string(),
    order: z.string().describe("the vendor's order id"),
    status: DeliveryStatus,
    attempt: z.number().int().describe('attempts made'),
    nextAttemptAt: Timestamp.nullable(),
    attempts: z.array(
      z.object({
        at: Timestamp,
        statusCode: z.number().int().nullable(),
        ms: z.number(),
        error: z.string().nullable(),
        response: z.string().nullable().describe('the beginning of the body, redacted'),
        origin: z
          .enum(['live', 'replay', 'redrive'])
          .nullable()
          .describe('as what it was delivered; null: an attempt of an earlier version'),
      }),
    ),
  })
  .meta({ id: 'Delivery' })
export type Delivery = z.infer<typeof Delivery>

export const EventAnswer = z
  .object({
    event: OrderEvent,
    deliveries: z.array(Delivery),
    notice: z
      .string()
      .optional()
      .describe('the event log went back within the last day, so events may be repeated or missing'),
  })
  .meta({ id: 'EventAnswer' })

export const DeadLetter = z
  .object({
    id: z.string(),
    destination: Slug,
    event: OrderEvent,
    at: Timestamp,
    attempts: z.number().int(),
    lastError: z.string(),
    holding: z.boolean().describe('later events of this order wait for a redrive'),
  })
  .meta({ id: 'DeadLetter' })

export const QuarantineEntry = z
  .object({
    id: z.string(),
    connection: Slug,
    orderId: z.string().nullable(),
    at: Timestamp,
    reason: z.string(),
    path: z.string(),
    value: z.string(),
  })
  .meta({ id: 'QuarantineEntry' })

export const ApiKey = z
  .object({
    id: z.string(),
    name: z.string(),
    role: KeyRole,
    createdAt: Timestamp,
    lastUsedAt: Timestamp.nullable().describe('to a minute; null: never'),
  })
  .meta({ id: 'ApiKey' })
export type ApiKey = z.infer<typeof ApiKey>

export const ApiKeyCreated = ApiKey.extend({ key: z.string().describe('shown this once') }).meta({
  id: 'ApiKeyCreated',
})

export const Attention = z
  .object({
    kind: z.string().describe('stable, e.g. `destination.open`'),
    severity: z
      .enum(['critical', 'warning', 'info'])
      .describe('critical: work stands still; warning: it goes on, and a person should look; info: good to know'),
    subject: z.string().describe('the id of the connection or destination; `store`, `event-log` or `process`'),
    since: Timestamp.nullable(),
    sentence: z.string(),
    reason: z.string().nullable().describe('in the words of the vendor or the receiver'),
    actions: z
      .array(
        z.object({
          name: z.string(),
          method: z.enum(['GET', 'POST']),
          path: z.string(),
          body: z.record(z.string(), z.unknown()).optional(),
        }),
      )
      .describe('calls of this API that may remove the cause'),
  })
  .meta({ id: 'Attention', description: 'One thing that needs a person' })

/** A page of a list. `next` null: the last one. */
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ data: z.array(item), next: z.string().nullable() })

// Names under which the generated documents keep shapes defined elsewhere.
for (const [id, schema] of Object.entries({
  OrderEvent,
  OrderPaid,
  OrderShipped,
  OrderShipmentUpdated,
  OrderDelivered,
  OrderRefunded,
  OrderCancelled,
  Order: OrderPaid.shape.data.shape.order,
  OrderLine,
  ShippedLine,
  DeliveryOptions,
  RateLimit,
}))
  z.globalRegistry.add(schema, { ...z.globalRegistry.get(schema), id })
