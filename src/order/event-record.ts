import type { EventType, OccurredAtSource } from '../../schemas/order-event.ts'

/** An event as it is stored, published and delivered: its bytes, and the members that route it without parsing. */
export interface EventRecord {
  readonly id: string
  readonly type: EventType
  readonly connection: string
  readonly orderId: string
  /** `connection/orderId`: the CloudEvents `partitionkey`, the Kafka key, and the lane. */
  readonly orderKey: string
  readonly sequence: number
  /** Milliseconds since the epoch. */
  readonly occurredAt: number
  readonly occurredAtSource: OccurredAtSource
  /** Milliseconds since the epoch. */
  readonly observedAt: number
  /** The event as JSON; the same bytes everywhere. */
  readonly body: string
  /** Its place in the history, if it was read from there. */
  readonly n?: number
}
