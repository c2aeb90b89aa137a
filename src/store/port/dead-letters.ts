import type { EventRecord } from '../../order/event-record.ts'
import type { EventFilter } from './events.ts'
import type { Paging } from './paging.ts'

export interface DeadLetterRow {
  readonly n: number
  readonly id: string
  readonly destination: string
  readonly event: EventRecord
  readonly at: number
  readonly attempts: number
  readonly lastError: string
  readonly holding: boolean
}

export interface DeadLetterFilter extends EventFilter {
  readonly destination?: string
  readonly ids?: readonly string[]
  /** Exactly this last error. */
  readonly error?: string
}

/** Dead letters of one destination that ended with the same error. */
export interface DeadLetterGroup {
  readonly destination: string
  readonly error: string
  readonly count: number
  readonly firstAt: number
  readonly lastAt: number
}

export interface DeadLetterStore {
  /** Newest first. */
  list(filter: DeadLetterFilter, paging: Paging): Promise<readonly DeadLetterRow[]>
  get(id: string): Promise<DeadLetterRow | null>
  counts(): Promise<ReadonlyMap<string, number>>
  /** By destination and error, of those given up at or after `since`, the newest 10,000 at most; the largest groups first. */
  groups(since: number, limit: number): Promise<readonly DeadLetterGroup[]>
  /** How many match. */
  count(filter: DeadLetterFilter): Promise<number>
  /** How many letters of each destination retention has deleted, ever, and when the last. */
  expired(): Promise<ReadonlyMap<string, { count: number; lastAt: number }>>
  /** Back into the backlog, in order among themselves, due at `now`; held lanes go on. Returns how many. */
  redrive(filter: DeadLetterFilter, now: number): Promise<number>
  /** Deletes letters, each with what waits of it; lanes that they held go on at `now`. Returns how many. */
  discard(filter: DeadLetterFilter, now: number): Promise<number>
}
