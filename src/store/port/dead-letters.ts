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
}

export interface DeadLetterStore {
  /** Newest first. */
  list(filter: DeadLetterFilter, paging: Paging): Promise<readonly DeadLetterRow[]>
  get(id: string): Promise<DeadLetterRow | null>
  counts(): Promise<ReadonlyMap<string, number>>
  /** How many letters of each destination retention has deleted, ever. */
  expired(): Promise<ReadonlyMap<string, number>>
  /** Back into the backlog, in order among themselves, due at `now`; held lanes go on. Returns how many. */
  redrive(filter: DeadLetterFilter, now: number): Promise<number>
}
