import type { EventRecord } from '../order/event-record.ts'

/**
 * Traces, one for each event. The ids of a trace and of its first span follow from the event's id, so every process finds the trace of an
 * event without storing anything, and an event that is read again has the same one.
 */
export interface Tracing {
  /** The span from our reading of the change to its commit. Call it once the events are stored. */
  observed(events: readonly EventRecord[]): void
  /** Runs one attempt within a span of its own, under the trace of the event. */
  attempt<T extends Attempted>(event: EventRecord, about: AttemptOf, run: () => Promise<T>): Promise<T>
  /** The W3C `traceparent` of an event, for its record in Kafka. */
  traceparentOf(eventId: string): string
  /** The W3C `traceparent` of the attempt that runs now; undefined outside of one. */
  traceparent(): string | undefined
  /** For log lines: of an event, or of the span that runs now. */
  fields(eventId?: string): TraceFields
  /** Sends what was not sent yet. */
  close(): Promise<void>
}

interface TraceFields {
  readonly trace_id?: string
  readonly span_id?: string
}

interface AttemptOf {
  readonly destination: string
  readonly kind: 'handler' | 'endpoint'
  readonly attempt: number
  readonly replay: boolean
}

interface Attempted {
  readonly result: string
  readonly statusCode: number | null
  readonly error: string | null
}

/** How traces are made; where they go is read from the environment by the exporter itself. */
export interface TracingSettings {
  readonly exporter: 'otlp' | 'console'
  /** The share of events that are traced, 0 to 1. */
  readonly ratio: number
  /** Of this program. */
  readonly version: string
  /** Told once, when traces cannot be sent. */
  readonly warn: (message: string) => void
}

let current: Tracing | null = null

/** null: nobody asked for traces, and nothing of OpenTelemetry is loaded. Of the whole process, as OpenTelemetry's own registry is. */
export const tracing = (): Tracing | null => current

export function setTracing(tracing: Tracing | null): void {
  current = tracing
}
