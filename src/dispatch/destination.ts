import type { Delivery } from '../../schemas/config.ts'
import type { EventType } from '../../schemas/order-event.ts'
import type { EventRecord } from '../order/event-record.ts'

/** A place events are delivered to: a handler or a webhook endpoint. The dispatcher knows no difference. */
export interface Destination {
  readonly id: string
  readonly kind: 'handler' | 'endpoint'
  readonly state: 'active' | 'paused' | 'disabled'
  readonly delivery: Delivery
  /** null: all types. */
  readonly types: ReadonlySet<EventType> | null
  /** null: all connections. */
  readonly connections: ReadonlySet<string> | null
  /** Whether it wants an event, asked with the parsed body; none: whatever is in it. */
  readonly matches?: ((event: unknown) => boolean) | null
  /** It asked to be left alone until then, whatever process it told, milliseconds since the epoch; absent or null: it did not. */
  readonly restUntil?: number | null
  /** When a person last changed it or took it up again: what was found out about it before counts no more. */
  readonly changedAt?: number
  /** Writes `restUntil` down, for later and for other processes. */
  rest?(until: number): Promise<void>
  /** Since when all attempts have failed, whatever process made them; null: the last did not. */
  failingSince?(): Promise<number | null>
  /** Of the file it was loaded from: a handler with another one than last time may do better with what waits. */
  readonly digest?: string
  /** Gives back what it holds (threads). */
  close?(): Promise<void>
  /** One attempt. Never rejects; `signal` aborts at shutdown (the timeout is the destination's own business). */
  deliver(event: EventRecord, context: { attempt: number; replay: boolean; signal: AbortSignal }): Promise<Outcome>
}

/** How one attempt ended. */
export interface Outcome {
  /**
   * - `delivered`: acknowledged
   * - `retry`: failed, may pass
   * - `give-up`: no retry will help; dead letter now
   * - `gone`: the destination itself is no more (410): disable it and keep what waits
   * - `aborted`: we stopped it ourselves (shutdown); not an attempt
   */
  readonly result: 'delivered' | 'retry' | 'give-up' | 'gone' | 'aborted'
  readonly statusCode: number | null
  readonly error: string | null
  /** Beginning of the answer's body, redacted; null for handlers. */
  readonly response: string | null
  /** The destination asked to be left alone this long (429/503 with Retry-After), milliseconds, at most 1 h. */
  readonly restMs: number | null
}
