import { z } from 'zod'
import { Timestamp } from '../../../schemas/common.ts'
import { EventType, OccurredAtSource } from '../../../schemas/order-event.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { EventRecord } from '../../order/event-record.ts'

/** What a record says about itself, beside the bytes (contract, section 6): structured CloudEvents, and two headers to filter by. */
export const headersOf = (event: EventRecord) => ({
  'content-type': 'application/cloudevents+json; charset=utf-8',
  ce_id: event.id,
  ce_type: event.type,
})

/** Only the form that events are written in: `Date.parse` would read others in this machine's zone. */
const instant = Timestamp.transform((text, context) => {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) context.addIssue({ code: 'custom', message: 'not a time' })
  return ms
})

/** What is needed to route an event. The rest of it is the business of whoever it is delivered to, and stays as the bytes it came in. */
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

/** The event in a record's value. Throws an AppError (`skip`) where it is none of ours: anyone may write to a topic. */
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
