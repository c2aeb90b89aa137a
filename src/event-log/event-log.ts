import { AppError } from '../lib/errors.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { Lease } from '../store/port/leases.ts'
import type { Ahead } from './ahead.ts'

/**
 * The port to the log that carries events from ingest to dispatch. It is partitioned by order key, ordered within a partition, and read
 * by groups that remember their offsets. Promises of every adapter (see test/contract/event-log.ts):
 * - Appended events survive a crash and reach every group. A crash during `append` may append an event twice, under the same id.
 * - An order key is always in the same partition, in the order appended.
 * - Each partition of a group is read by one consumer at a time. After a restart reading continues behind the last committed offset.
 * - If the log ends below that offset, or is another log, it is read from its beginning: the partition is revoked and assigned again, and
 *   `notice` says so.
 */
export interface EventLog {
  /** True: the log reads the store itself. Committing an event publishes it; `append` only wakes the readers. */
  readonly commitPublishes: boolean
  /** True: whoever reads this log reads all of its partitions. False: a group shares them between its members. */
  readonly ownsAllPartitions: boolean
  /** Rejects with `PartlyRefused` if the log took the other events. After any other error the log may have taken some of them. */
  append(events: readonly EventRecord[]): Promise<void>
  /** False: the log is known to refuse an event of this size. Absent: it takes any. */
  fits?(event: EventRecord): boolean
  consume(consumer: LogConsumer): Promise<Consumption>
  /** Number of partitions: `partitionOf(orderKey)` is in [0, partitions). */
  readonly partitions: number
  partitionOf(orderKey: string): number
  /** null: healthy; else one sentence. */
  health(): string | null
  /** One sentence that people should know although the log works, e.g. that it went back; null: nothing. */
  notice(): string | null
  /** For `verify`: one sentence if the log and the offsets of the dispatcher's group contradict each other now; null: they do not. */
  contradiction(): Promise<string | null>
  /** Resolves with a short description of what answered, for `check`; rejects with an AppError that says what to do. */
  check(signal: AbortSignal): Promise<string>
  close(): Promise<void>
}

/** An event that the log does not take now, and why. */
export interface Refusal {
  readonly event: EventRecord
  readonly error: AppError
  /** The partition takes no events at present; null: the log refuses this event, or an earlier one of its order. */
  readonly partition: number | null
}

/** Code of a refusal for the size of the event. */
export const TOO_LARGE = 'kafka.too_large'

/** The log refused some events and has all others of the call. It has no later event of an order behind a refused one. */
export class PartlyRefused extends AppError {
  readonly refusals: readonly Refusal[]

  constructor(refusals: readonly Refusal[]) {
    const [first] = refusals
    super(first?.error.message ?? 'The log refused events.', {
      code: first?.error.code ?? 'log.refused',
      intent: 'retry',
      cause: first?.error,
    })
    this.refusals = refusals
  }
}

export interface LogConsumer {
  readonly group: string
  /** Entries of one partition, in order. Resolves when they are taken in, not when they are committable. Slowness is back-pressure. */
  onBatch(partition: number, entries: readonly LogEntry[]): Promise<void>
  /**
   * `lease`: under which they are read; whoever holds it owns them. null: the log itself decides who owns them.
   * `ahead`: what their former reader had done beyond the committed offsets, if the log keeps that.
   */
  assigned(partitions: readonly number[], lease: Lease | null, ahead?: ReadonlyMap<number, Ahead>): Promise<void>
  /** Stops work on these partitions: once it resolves, nothing of them is sent or committed. Must resolve within 10 s. */
  revoked(partitions: readonly number[]): Promise<void>
  /** Whether the consumer knows of an earlier process of the group that read events. Asked if the log has no offset of the group. */
  hasReadBefore?(): Promise<boolean>
}

export interface LogEntry {
  readonly position: number
  readonly event: EventRecord
}

export interface Consumption {
  /**
   * All events of the partition up to and including this position are acknowledged or in the backlog. Written soon, in batches.
   * `ahead`: called at the write for what is done beyond it.
   */
  committable(partition: number, position: number, ahead?: () => Ahead): void
  /**
   * Resolves with true when all events that were in these partitions at the call are taken in; with false if one of the partitions is
   * not ours any more. Rejects if the log does not answer.
   */
  caughtUp(partitions: readonly number[]): Promise<boolean>
  /** Whether these partitions are ours now, and nobody else got them since they were assigned. Rejects if the log does not answer. */
  holds(partitions: readonly number[]): Promise<boolean>
  /** Commits and leaves the group. */
  stop(): Promise<void>
}
