import type { EventType } from '../../../schemas/order-event.ts'
import type { BacklogOrigin } from './lanes.ts'

export interface AttemptRow {
  readonly destination: string
  readonly eventId: string
  /** The event's place in the history. Absent: the store looks it up. Rows that are read do not have it. */
  readonly eventN?: number
  readonly orderKey: string
  /** From 1. */
  readonly attempt: number
  readonly at: number
  readonly outcome: 'delivered' | 'retry' | 'dead'
  readonly statusCode: number | null
  readonly ms: number
  readonly error: string | null
  /** Beginning of the response body, redacted. */
  readonly response: string | null
  /** As what the event was delivered; null: not known. */
  readonly origin: BacklogOrigin | null
}

export type DeliveryStatus = 'delivered' | 'waiting' | 'dead'

export interface DeliveryRow {
  /** `destination:eventId`. */
  readonly id: string
  readonly destination: string
  readonly eventId: string
  readonly orderKey: string
  readonly status: DeliveryStatus
  readonly attempt: number
  readonly nextAttemptAt: number | null
  readonly attempts: readonly AttemptRow[]
}

/** An attempt as statistics need it. */
export interface AttemptInShort {
  /** Its number: later attempts have greater ones. */
  readonly n: number
  readonly destination: string
  readonly delivered: boolean
  readonly at: number
  readonly ms: number
  readonly error: string | null
}

/** An attempt in short: what charts and groups of failures need. */
export type RecentAttempt = Pick<
  AttemptRow,
  'eventId' | 'at' | 'outcome' | 'statusCode' | 'ms' | 'error' | 'response' | 'origin'
>

interface Acknowledgement {
  readonly at: number
  readonly observedAt: number
  /** null: the vendor does not give it. */
  readonly occurredAt: number | null
}

export interface DeliveryFilter {
  readonly destination?: string
  readonly eventId?: string
  /** The vendor's order id, of any connection. */
  readonly orderId?: string
  readonly statuses?: readonly DeliveryStatus[]
  /** Waiting ones only if an attempt has failed. */
  readonly tried?: boolean
  /** Acknowledged, given up, or (waiting) observed since then. */
  readonly since?: number
  /** The same, before then. */
  readonly until?: number
  readonly types?: readonly EventType[]
  /** Of the latest attempt: the class of its status code; `none`: it has none. */
  readonly answer?: '2xx' | '3xx' | '4xx' | '5xx' | 'none'
}

export interface DeliveryStore {
  /** In one write, however many. */
  record(attempts: readonly AttemptRow[]): Promise<void>
  /**
   * Newest first. `next` is what `after` takes for the page behind. At most some 10,000 rows are looked at for a page, so a page may be
   * short, or empty, and still have a `next`.
   */
  list(
    filter: DeliveryFilter,
    paging: { limit: number; after?: string },
  ): Promise<{ data: readonly DeliveryRow[]; next: string | null }>
  get(destination: string, eventId: string): Promise<DeliveryRow | null>
  /** When the first attempt failed of those that nothing delivered came after; null: none. Only attempts from `since` on count. */
  failingSince(destination: string, since: number): Promise<number | null>
  /** Of these events (places in the history), how many this destination has acknowledged, as far as attempts are kept. */
  delivered(destination: string, events: readonly number[]): Promise<number>
  /** The newest attempts of a destination, newest first. */
  recent(destination: string, limit: number): Promise<readonly RecentAttempt[]>
  /** The newest acknowledgements of all destinations, newest first, with when their events happened and were observed. */
  acknowledged(limit: number): Promise<readonly Acknowledgement[]>
  /** The number of the newest attempt; 0: there is none. */
  last(): Promise<number>
  /** The newest attempts of a destination (`before`: older than this number), newest first. */
  latest(destination: string, limit: number, before?: number): Promise<readonly AttemptInShort[]>
  /** The attempts of all destinations behind a number, oldest first. */
  behind(n: number, limit: number): Promise<readonly AttemptInShort[]>
}
