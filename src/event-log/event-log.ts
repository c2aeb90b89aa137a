import type { EventRecord } from '../order/event-record.ts'
import type { Ahead } from './ahead.ts'

/**
 * The port to the log that carries events from ingest to dispatch: partitioned by order key, ordered within a partition,
 * read by groups that remember how far they are. Promises, for every adapter (see test/contract/event-log.ts):
 * - what `append` resolved for survives a crash and reaches every group; a crash in between may append twice (same id);
 * - one order key is always in one partition, in the order appended;
 * - a group's partitions are each read by one consumer at a time; after a restart reading goes on behind the last settled position.
 */
export interface EventLog {
  readonly kind: 'embedded' | 'kafka'
  append(events: readonly EventRecord[]): Promise<void>
  consume(consumer: LogConsumer): Promise<Consumption>
  /** In how many partitions order keys are spread: `partitionOf(orderKey)` is in [0, partitions). */
  readonly partitions: number
  partitionOf(orderKey: string): number
  /** null: healthy; else one sentence. */
  health(): string | null
  /** Resolves with a short description of what answered, for `check`; rejects with an AppError that says what to do. */
  check(signal: AbortSignal): Promise<string>
  close(): Promise<void>
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
  settle(partition: number, position: number, ahead?: () => Ahead): void
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
