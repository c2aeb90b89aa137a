import type { Vendor } from '../../schemas/common.ts'
import type { OrderSnapshot, When } from '../../schemas/order.ts'
import { DATA_SCHEMA, type OccurredAtSource } from '../../schemas/order-event.ts'
import { eventIdOf } from './event-id.ts'
import type { EventRecord } from './event-record.ts'
import type { Fact } from './fact.ts'
import { newFacts } from './facts.ts'
import type { OrderState } from './state.ts'

/** One order as one observation shows it. */
export interface Observation {
  readonly connection: string
  readonly vendor: Vendor
  readonly snapshot: OrderSnapshot
  /** Milliseconds since the epoch, by our clock. */
  readonly observedAt: number
}

export interface Decision {
  /** New events, in canonical order, with the next sequence numbers. */
  readonly events: readonly EventRecord[]
  readonly state: OrderState
  readonly notes: readonly string[]
  readonly recheckAt: number | null
}

/** The new events of an observation, and the state after it. Pure: the same arguments give the same bytes. */
export function decide(known: OrderState, observation: Observation): Decision {
  const { facts, state, notes, recheckAt } = newFacts(known, observation.snapshot, observation.observedAt)
  const events = facts.map((fact, index) => toEvent(fact, known.sequence + index + 1, observation))
  return { events, state: { ...known, ...state, sequence: known.sequence + events.length }, notes, recheckAt }
}

function toEvent(fact: Fact, sequence: number, { connection, vendor, snapshot, observedAt }: Observation): EventRecord {
  const { key, type, when, ...own } = fact
  const { orderId } = snapshot
  const [occurredAt, occurredAtSource] = occurrence(when, snapshot, observedAt)
  const id = eventIdOf(connection, orderId, type, key)
  const orderKey = `${connection}/${orderId}`
  const event = {
    specversion: '1.0',
    id,
    source: `/connections/${connection}`,
    type,
    subject: orderId,
    time: occurredAt,
    datacontenttype: 'application/json',
    dataschema: DATA_SCHEMA,
    partitionkey: orderKey,
    sequence: String(sequence).padStart(10, '0'),
    data: {
      connection,
      vendor,
      orderId,
      orderNumber: snapshot.orderNumber,
      sequence,
      occurredAt,
      occurredAtSource,
      observedAt: new Date(observedAt).toISOString(),
      order: {
        currency: snapshot.currency,
        total: snapshot.total,
        placedAt: snapshot.placedAt,
        updatedAt: snapshot.updatedAt,
        status: snapshot.status,
        lines: snapshot.lines,
        ...(snapshot.shipTo ? { shipTo: { country: snapshot.shipTo.country } } : {}),
      },
      ...own,
    },
  }
  return {
    id,
    type,
    connection,
    orderId,
    orderKey,
    sequence,
    occurredAt: Date.parse(occurredAt),
    occurredAtSource,
    observedAt,
    body: JSON.stringify(event),
  }
}

/** The time of a fact and its source: the vendor's time of the fact, else the order's update time, else our clock. */
function occurrence(when: When, { updatedAt }: OrderSnapshot, observedAt: number): [string, OccurredAtSource] {
  if (when) return [when.at, when.source]
  if (updatedAt) return [updatedAt, 'updated']
  return [new Date(observedAt).toISOString(), 'observed']
}
