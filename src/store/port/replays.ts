import type { EventRecord } from '../../order/event-record.ts'
import type { EventFilter } from './events.ts'

/** A replay on its way into the backlog: the owner of each partition of the event log puts in what is in that partition. */
export interface ReplayRow {
  readonly n: number
  readonly destination: string
  readonly filter: EventFilter
  /** The destination is new: until the past is queued, it is sent nothing, and what happens waits behind it. */
  readonly opening: boolean
  /** The last event it covers; null: all that an owner took in before it knew of the destination. */
  readonly through: number | null
  /** Partitions that are done. */
  readonly queued: readonly number[]
  readonly createdAt: number
}

export interface ReplayStore {
  /** Asks for a replay of what there is now. Returns how many events that is; none: nothing is asked for. */
  add(destination: string, filter: EventFilter, now: number, wants?: (event: EventRecord) => boolean): Promise<number>
  /** Oldest first. */
  pending(): Promise<readonly ReplayRow[]>
  /** The last event there is (`n`); 0: none. */
  end(): Promise<number>
  /** Whether every event up to this one is in the event log. */
  published(through: number): Promise<boolean>
  /** The orders (by key) with events up to this one that are not in the event log, and the first sequence of each that is not. */
  unpublished(through: number): Promise<ReadonlyMap<string, number>>
  /**
   * Takes partitions over: the word of whoever had them before counts no more. Returns a number for each. `epoch`: of the lease
   * under which they are read, where there is one: under an earlier one than the last nothing is taken, and the number, 0, never counts.
   */
  claim(group: string, partitions: readonly number[], epoch: number | null): Promise<ReadonlyMap<number, number>>
  /** A partition's part is in the backlog; with the last of `partitions` the replay is over. False: the claim has passed to another. */
  queued(n: number, done: { group: string; partition: number; claim: number; partitions: number }): Promise<boolean>
}
