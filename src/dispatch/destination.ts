import type { Delivery } from '../../schemas/config.ts'
import type { EventType } from '../../schemas/order-event.ts'
import type { EventRecord } from '../order/event-record.ts'

/** The port to a handler or a webhook endpoint. The dispatcher treats both alike, except that only endpoints have a circuit. */
export interface Destination {
  readonly id: string
  readonly kind: 'handler' | 'endpoint'
  readonly state: 'active' | 'paused' | 'disabled'
  readonly delivery: Delivery
  /** null: all types. */
  readonly types: ReadonlySet<EventType> | null
  /** null: all connections. */
  readonly connections: ReadonlySet<string> | null
  /** Whether it wants an event with this parsed body; absent or null: any. */
  readonly matches?: ((event: unknown) => boolean) | null
  /** End of the rest it asked for, in whatever process, milliseconds since the epoch; absent or null: none. */
  readonly restUntil?: number | null
  /** When a person last edited or resumed it. What was learned about it before does not count. */
  readonly changedAt?: number
  /** Persists `restUntil` for restarts and for other processes. */
  rest?(until: number): Promise<void>
  /** When the current row of failed attempts began, in whatever process; null: the last attempt succeeded. */
  failingSince?(): Promise<number | null>
  /** Digest of the handler's file. Waiting events are retried after it changes. */
  readonly digest?: string
  /** Frees its threads. */
  close?(): Promise<void>
  /** One attempt. Never rejects. `signal` aborts at shutdown; the destination keeps its own timeout. */
  deliver(event: EventRecord, context: { attempt: number; replay: boolean; signal: AbortSignal }): Promise<Outcome>
}

/** How one attempt ended. */
export interface Outcome {
  /**
   * - `delivered`: acknowledged
   * - `retry`: failed, may succeed later
   * - `give-up`: no retry will help; dead letter now
   * - `gone`: the destination does not exist any more (410): disable it and keep its events
   * - `aborted`: we aborted it (shutdown); does not count as an attempt
   */
  readonly result: 'delivered' | 'retry' | 'give-up' | 'gone' | 'aborted'
  readonly statusCode: number | null
  readonly error: string | null
  /** Start of the response body, redacted; null for handlers. */
  readonly response: string | null
  /** Retry-After of a 429 or 503, milliseconds, at most 1 h; null: none. */
  readonly restMs: number | null
}
