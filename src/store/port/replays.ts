import type { EventRecord } from '../../order/event-record.ts'
import type { EventFilter } from './events.ts'
import type { Lease } from './leases.ts'

/** A replay that is not wholly in the backlog yet. The owner of each partition of the event log queues the events of that partition. */
export interface ReplayRow {
  readonly n: number
  readonly destination: string
  readonly filter: EventFilter
  /** The destination is new: it is sent nothing until the past is queued, and new events wait behind it. */
  readonly opening: boolean
  /** The last event it covers. null: all that an owner read before it knew of the destination. */
  readonly through: number | null
  /** Partitions that are done. */
  readonly queued: readonly number[]
  readonly createdAt: number
}

export interface ReplayStore {
  /** Asks for a replay of the present history. Returns the number of events; 0: no replay is needed, and none is made. */
  add(destination: string, filter: EventFilter, now: number, wants?: (event: EventRecord) => boolean): Promise<number>
  /** Oldest first. */
  pending(): Promise<readonly ReplayRow[]>
  /** The last event there is (`n`); 0: none. */
  end(): Promise<number>
  /** Whether every event up to this one is in the event log. */
  published(through: number): Promise<boolean>
  /**
   * The orders (by key) with events up to this one that the event log has never had, and the first sequence of each. An unpublished event
   * before a published one of its order was in the log: `republish` appends it again, and a replay includes it.
   */
  unpublished(through: number): Promise<ReadonlyMap<string, number>>
  /** The part of this partition is queued; with the last of `partitions` the replay is over. `lease`: under which the partition is read. */
  queued(n: number, done: { partition: number; partitions: number; lease: Lease }): Promise<void>
}
