import { z } from 'zod'
import { Timestamp } from '../../../schemas/common.ts'
import { EventType, OccurredAtSource } from '../../../schemas/order-event.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { EventRecord } from '../../order/event-record.ts'
import { tracing } from '../../telemetry/tracing.ts'

/** Headers of a record (contract, section 6): structured CloudEvents, and id and type to filter by. */
export const headersOf = (event: EventRecord) => ({
  'content-type': 'application/cloudevents+json; charset=utf-8',
  ce_id: event.id,
  ce_type: event.type,
  ...traceOf(event.id),
})

function traceOf(eventId: string): { traceparent?: string } {
  const traced = tracing()
  return traced === null ? {} : { traceparent: traced.traceparentOf(eventId) }
}

/** Accepts only the format that events have: `Date.parse` would read others in the local time zone. */
const instant = Timestamp.transform((text, context) => {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) context.addIssue({ code: 'custom', message: 'not a time' })
  return ms
})

/** The fields that are needed to route an event. The event itself is delivered as the bytes that came in. */
const Routed = z.object({
  id: z.string().min(1),
  type: EventType,
  partitionkey: z.string(),
  data: z.object({
    connection: z.string().min(1),
    orderId: z.string().min(1),
    sequence: z.number().int().min(1),
    occurredAt: instant,
    occurredAtSource: OccurredAtSource,
    observedAt: instant,
  }),
})

/** Reads the event from a record's value. Throws an AppError (`skip`) for a foreign record: anyone may write to a topic. */
export function eventOf(value: Buffer | null): EventRecord {
  if (!value) throw foreign('it has no value')
  const body = value.toString('utf8')
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch (error) {
    throw foreign(messageOf(error))
  }
  const routed = Routed.safeParse(json)
  if (!routed.success) {
    const [issue] = routed.error.issues
    throw foreign(`${issue?.path.join('.') || 'value'}: ${issue?.message}`)
  }
  const { id, type, partitionkey, data } = routed.data
  const orderKey = `${data.connection}/${data.orderId}`
  if (partitionkey !== orderKey) throw foreign(`partitionkey: expected "${orderKey}"`)
  return {
    id,
    type,
    connection: data.connection,
    orderId: data.orderId,
    orderKey,
    sequence: data.sequence,
    occurredAt: data.occurredAt,
    occurredAtSource: data.occurredAtSource,
    observedAt: data.observedAt,
    body,
  }
}

const foreign = (why: string) =>
  new AppError(`This record of the topic is no order event of version 1 (${why}).`, {
    code: 'kafka.foreign_record',
    intent: 'skip',
  })
