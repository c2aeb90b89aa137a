import { AppError } from '../lib/errors.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { Ahead } from './ahead.ts'

/**
 * The port to the log that carries events from ingest to dispatch: partitioned by order key, ordered within a partition,
 * read by groups that remember how far they are. Promises, for every adapter (see test/contract/event-log.ts):
 * - what `append` resolved for survives a crash and reaches every group; a crash in between may append twice (same id);
 * - one order key is always in one partition, in the order appended;
 * - a group's partitions are each read by one consumer at a time; after a restart reading goes on behind the last settled position;
 * - where the log ends below that position, or is another log, it is read from its beginning: the partition is revoked and assigned again,
 *   `notice` says so, and nothing is passed over.
 */
export interface EventLog {
  /** True: the log reads the store itself. Committing an event publishes it; `append` only wakes the readers. */
  readonly commitPublishes: boolean
  /** True: whoever reads this log reads all of its partitions. False: a group shares them between its members. */
  readonly ownsAllPartitions: boolean
  /** Rejects with `PartlyRefused` where the log took the other events; with any other error the log may have taken any of them. */
  append(events: readonly EventRecord[]): Promise<void>
  /** False: the log is known to refuse this event for its size. Absent: it takes any. */
  fits?(event: EventRecord): boolean
  consume(consumer: LogConsumer): Promise<Consumption>
  /** In how many partitions order keys are spread: `partitionOf(orderKey)` is in [0, partitions). */
  readonly partitions: number
  partitionOf(orderKey: string): number
  /** null: healthy; else one sentence. */
  health(): string | null
  /** What people should know although the log works: it went back, for example. One sentence; null: nothing. */
  notice(): string | null
  /** What does not fit between the log and the position of the dispatcher's group, asked for now, for `verify`. One sentence; null: nothing. */
  contradiction(): Promise<string | null>
  /** Resolves with a short description of what answered, for `check`; rejects with an AppError that says what to do. */
  check(signal: AbortSignal): Promise<string>
  close(): Promise<void>
}

/** Why the log does not take an event now. */
export interface Refusal {
  readonly event: EventRecord
  readonly error: AppError
  /** The partition that takes no event at present; null: it is this event, or an earlier one of its order, that the log does not take. */
  readonly partition: number | null
}

/** Code of a refusal for the size of the event. */
export const TOO_LARGE = 'kafka.too_large'

/** Some events were refused; the log has all others of the call. Behind a refused event no later one of its order was written. */
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
  /** Entries of one partition, in order. Resolves when they are taken in (not when settled): a slow answer is back-pressure. */
  onBatch(partition: number, entries: readonly LogEntry[]): Promise<void>
  /** `epoch`: of the lease under which they are read; who reads under a later one has them. null: the log itself settles whose they are.
   * `ahead`: what their former reader had done beyond the settled positions, where the log keeps that. */
  assigned(partitions: readonly number[], epoch: number | null, ahead?: ReadonlyMap<number, Ahead>): Promise<void>
  /** Stop work on these partitions; once it resolves nothing of them may be sent or settled. Must resolve within 10 s. */
  revoked(partitions: readonly number[]): Promise<void>
  /** Whether an earlier process of the group has read events, as the consumer knows; asked where the log knows no position of the group. */
  hasReadBefore?(): Promise<boolean>
}

export interface LogEntry {
  readonly position: number
  readonly event: EventRecord
}

export interface Consumption {
  /**
   * Everything of the partition up to and including this position is delivered or durably set aside. Written soon, in batches.
   * `ahead`: what is done beyond it at the time of the write.
   */
  committable(partition: number, position: number, ahead?: () => Ahead): void
  /**
   * Resolves with true when everything that was in these partitions at the time of the call has been taken in; with false when one of
   * them is not ours any more. Rejects where the log does not answer.
   */
  caughtUp(partitions: readonly number[]): Promise<boolean>
  /**
   * Whether these partitions are ours by the word of the log itself, asked after the call, and nobody else's before that. null: it cannot say.
   * Rejects where it does not answer.
   */
  holds(partitions: readonly number[]): Promise<boolean | null>
  /** Writes what is settled and leaves the group. */
  stop(): Promise<void>
}
