import type { EventType } from '../../schemas/order-event.ts'
import type { EndpointRow } from '../store/port/endpoints.ts'
import type { EventFilter } from '../store/port/events.ts'

/** What the API may ask of the dispatcher. */
export interface DispatchControl {
  /** Reads the endpoints again (one was added, changed or removed). */
  refresh(): Promise<void>
  /** Rows were added to backlogs: look now instead of at the next tick. */
  wake(): void
  /** Sends one test event (type `orderwire.test`, or a sample of the given type) without history and lanes. */
  test(endpoint: EndpointRow, type?: EventType): Promise<TestResult>
  /** Queues past events again for one destination, in order; returns how many. */
  replay(destination: string, filter: EventFilter): Promise<number>
  /** All destinations known to this process, handlers included. */
  destinations(): readonly DestinationView[]
  health(): string | null
}

interface TestResult {
  readonly statusCode: number | null
  readonly ms: number
  readonly error: string | null
  /** Beginning of the response body, redacted; absent: there was none. */
  readonly response?: string | null
  /** The body that was sent; absent: none could be. */
  readonly request?: string | null
}

/** Which events it takes, and how fast; see `Destination` of dispatch. */
export interface DestinationWants {
  readonly types: ReadonlySet<EventType> | null
  readonly connections: ReadonlySet<string> | null
  readonly matches?: ((event: unknown) => boolean) | null
  readonly concurrency: number
  /** Its rate limit; null: none. */
  readonly perSecond: number | null
}

export interface DestinationView {
  readonly id: string
  readonly kind: 'handler' | 'endpoint'
  readonly state: 'active' | 'paused' | 'disabled' | 'open'
  /** Why it is paused or disabled; absent: it is not, or it is not known here. */
  readonly stateReason?: string | null
  /** End of the rest it asked for, milliseconds since the epoch; absent: not known here. */
  readonly restUntil?: number | null
  /** Absent: not known here. */
  readonly wants?: DestinationWants
  /** Events that wait in the memory of this process, in addition to the backlog; absent: not known here. */
  readonly inMemory?: { readonly size: number; readonly oldestObservedAt: number | null }
}
