import type { EventType } from '../../schemas/order-event.ts'
import type { EventRecord } from '../../src/order/event-record.ts'

export interface EventOptions {
  readonly connection?: string
  readonly orderId?: string
  readonly sequence?: number
  readonly type?: EventType
  readonly observedAt?: number
  readonly id?: string
  readonly body?: string
}

/** An event record for tests of what carries events and never looks inside: id, key and body follow from order and sequence. */
export function eventRecord(options: EventOptions = {}): EventRecord {
  const {
    connection = 'shop',
    orderId = '1001',
    sequence = 1,
    type = 'order.paid',
    observedAt = 1_750_000_000_000,
  } = options
  const id = options.id ?? `evt_${connection}.${orderId}.${sequence}`
  return {
    id,
    type,
    connection,
    orderId,
    orderKey: `${connection}/${orderId}`,
    sequence,
    occurredAt: observedAt - 1000,
    occurredAtSource: 'vendor',
    observedAt,
    body: options.body ?? bodyOf({ id, type, connection, orderId, sequence, observedAt }),
  }
}

/** A CloudEvent that can be routed, with a text that shows whether the bytes stay as they are. */
function bodyOf(event: Required<Omit<EventOptions, 'body'>>): string {
  const { id, type, connection, orderId, sequence, observedAt } = event
  const occurredAt = new Date(observedAt - 1000).toISOString()
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: `/connections/${connection}`,
    type,
    subject: orderId,
    time: occurredAt,
    datacontenttype: 'application/json',
    dataschema: 'urn:orderwire:order-event:1',
    partitionkey: `${connection}/${orderId}`,
    sequence: String(sequence).padStart(10, '0'),
    data: {
      connection,
      orderId,
      sequence,
      occurredAt,
      occurredAtSource: 'vendor',
      observedAt: new Date(observedAt).toISOString(),
      order: { status: 'ünï "quoted" \u0000 line\n' },
    },
  })
}

/** Events 1…count of one order. */
export const eventsOf = (orderId: string, count: number, options: EventOptions = {}): EventRecord[] =>
  Array.from({ length: count }, (_, index) => eventRecord({ ...options, orderId, sequence: index + 1 }))
