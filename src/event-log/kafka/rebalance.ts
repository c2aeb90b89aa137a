import { createBackOff } from '../../lib/back-off.ts'
import type { Clock } from '../../lib/clock.ts'
import { endsWithin } from '../../lib/deadline.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../telemetry/log.ts'
import type { LogConsumer } from '../event-log.ts'
import type { MisfitFound } from './notices.ts'
import { type PartitionReader, partitionReader } from './partition-reader.ts'
import { type Anchor, type Bounds, type Misfit, type Start, startAt } from './position.ts'

/** How long a revoke may take. The group waits for it, at most 30 s (`rebalanceTimeout`). */
const DRAIN_MS = 10_000
/** A crash repeats what was delivered in this time, and while the commit was under way. */
const COMMIT_EVERY_MS = 150
const LAST_COMMIT_MS = 5_000

/** What an assignment needs from its group member. */
export interface Member {
  pause(partitions: readonly number[]): void
  /** Continues reading at this offset. */
  resumeAt(partition: number, offset: number): void
  resume(partition: number): void
  commit(offsets: ReadonlyMap<number, Place>): Promise<void>
  /** Where the group continues in each of these partitions: at the committed offset, else at the first offset. */
  starts(partitions: readonly number[]): Promise<ReadonlyMap<number, Start>>
  bounds(partitions: readonly number[]): Promise<ReadonlyMap<number, Bounds>>
}

/** An offset with the record that identifies the log. */
interface Place {
  readonly offset: number
  readonly anchor: Anchor | null
}

export interface Assignment {
  readonly partitions: readonly number[]
  /** null: not ours, not ready yet, or being revoked. */
  reader(partition: number): PartitionReader | null
  /** Asks for the bounds of this partition and continues at a position that fits. */
  reposition(reader: PartitionReader): void
  /** The log of this partition is another one: it is revoked, assigned again, and read from its beginning. */
  restart(reader: PartitionReader, misfit: Misfit): void
  /** No fetch succeeded for a while: checks that the log is still the one that was read. */
  doubt(): void
  /** Checks whether one of these ends is below our position. */
  compare(ends: ReadonlyMap<number, number>): void
  /** Everything up to this position is acknowledged or in the backlog. */
  committable(partition: number, position: number): void
  /** Offsets may be committable: foreign records were skipped. */
  touch(): void
  /** Gives the partitions up: hands out nothing more, waits for `revoked`, commits. */
  release(options: { commit: boolean; revoke: boolean }): Promise<void>
}

/**
 * The partitions of one generation of the group. kafkajs commits under its present generation, so nothing of an earlier one may be
 * committed later. Therefore all work of an assignment ends with `release`, which is awaited before the group is joined again. `order`
 * runs the consumer's callbacks one after the other, across assignments.
 */
export function assignment(deps: {
  partitions: readonly number[]
  consumer: LogConsumer
  member: Member
  order: <T>(callback: () => Promise<T>) => Promise<T>
  /** A position does not fit its log. */
  misfits: (found: MisfitFound) => void
  clock: Clock
  log: Log
}): Assignment {
  const { partitions, consumer, member, order, clock, log } = deps
  const { group } = consumer
  const readers = new Map<number, PartitionReader>()
  let state: 'held' | 'draining' | 'ended' = 'held'
  let told = false
  let cancelCommit: (() => void) | null = null
  let committing: Promise<void> = Promise.resolve()
  let released: Promise<void> | null = null
  const over = new AbortController()

  /** Retries until it works or the partitions are gone. */
  async function insist<T>(what: string, attempt: () => Promise<T>): Promise<T | null> {
    const backOff = createBackOff({ firstMs: 100, longestMs: 1_000 })
    while (state === 'held') {
      try {
        return await attempt()
      } catch (error) {
        log.warn({ error: messageOf(error), group: consumer.group }, `${what} failed; it is tried again`)
        await clock.sleep(backOff.next(), over.signal)
      }
    }
    return null
  }

  async function begin(): Promise<void> {
    if (partitions.length === 0 || state !== 'held') return
    told = true
    await insist('taking over partitions', () => consumer.assigned(partitions, null))
    const starts = await insist("reading the group's positions", () => member.starts(partitions))
    if (!starts || state !== 'held') return
    for (const partition of partitions) read(partition, starts.get(partition) ?? FROM_ZERO)
  }

  function read(partition: number, start: Start): void {
    const reader = partitionReader({
      partition,
      start,
      onBatch: consumer.onBatch,
      pause: () => member.pause([partition]),
      resume() {
        if (state !== 'held') return
        // Nothing was fetched meanwhile that could show that the log is another one.
        if (reader.doubt()) member.resumeAt(partition, reader.next)
        else member.resume(partition)
      },
      clock,
      log,
    })
    readers.set(partition, reader)
    member.resumeAt(partition, reader.next)
    reader.open()
    if (start.misfit !== null) touch()
  }

  const isRead = (reader: PartitionReader) => state === 'held' && readers.get(reader.partition) === reader

  /** As if the partition had been revoked and assigned again: the consumer spills its events and gets all of them again. */
  function restart(reader: PartitionReader, misfit: Misfit): void {
    const { partition } = reader
    if (!isRead(reader)) return
    reader.drain()
    readers.delete(partition)
    member.pause([partition])
    void order(async () => {
      if (state !== 'held') return
      await insist('giving a partition up', () => consumer.revoked([partition]))
      await insist('taking over a partition', () => consumer.assigned([partition], null))
      const bounds = await insist('finding the beginning of a partition', () => member.bounds([partition]))
      const next = bounds?.get(partition)?.low
      if (next === undefined || state !== 'held') return
      deps.misfits({ group, partition, misfit, next: reader.fresh, from: next })
      read(partition, { next, expected: null, misfit })
    })
  }

  async function reposition(reader: PartitionReader): Promise<void> {
    const { partition } = reader
    member.pause([partition])
    const found = await insist('finding a position again', async () => {
      const bounds = await member.bounds([partition])
      return bounds.get(partition)
    })
    if (!found || !isRead(reader)) return
    const { misfit, next } = startAt({ offset: reader.fresh, anchor: null }, found)
    if (misfit === 'ends-below') return restart(reader, misfit)
    if (misfit === 'expired') {
      deps.misfits({ group, partition, misfit, next: reader.fresh, from: next })
      reader.skip(next)
    } else if (reader.next < found.low) reader.skip(reader.fresh)
    member.resumeAt(partition, reader.next)
  }

  function touch(): void {
    if (cancelCommit || state !== 'held') return
    cancelCommit = clock.after(COMMIT_EVERY_MS, () => {
      cancelCommit = null
      void commit()
    })
  }

  function commit(): Promise<void> {
    committing = committing.then(async () => {
      const offsets = new Map<number, Place>()
      const of = new Map<number, PartitionReader>()
      for (const reader of readers.values()) {
        const offset = reader.uncommitted()
        if (offset === null) continue
        offsets.set(reader.partition, { offset, anchor: reader.anchor(offset) })
        of.set(reader.partition, reader)
      }
      if (offsets.size === 0 || state === 'ended') return
      try {
        await member.commit(offsets)
        for (const [partition, { offset }] of offsets) of.get(partition)?.committed(offset)
      } catch (error) {
        log.debug({ error: messageOf(error), group: consumer.group }, 'positions were not committed')
        touch()
      }
    })
    return committing
  }

  async function end(options: { commit: boolean; revoke: boolean }): Promise<void> {
    state = 'draining'
    over.abort()
    cancelCommit?.()
    for (const reader of readers.values()) reader.drain()
    if (options.revoke) {
      const revoked = order(async () => {
        if (told) await consumer.revoked(partitions)
      }).catch(error => log.error({ error: messageOf(error) }, 'giving partitions up failed'))
      if (!(await endsWithin(clock, DRAIN_MS, revoked)))
        log.error(
          { partitions },
          `partitions were not given up within ${DRAIN_MS} ms; the group goes on without waiting`,
        )
    }
    if (options.commit) await endsWithin(clock, LAST_COMMIT_MS, commit())
    state = 'ended'
    readers.clear()
  }

  void order(begin)
  return {
    partitions,
    reader: partition => (state === 'held' ? (readers.get(partition) ?? null) : null),
    reposition: reader => void reposition(reader),
    restart,
    doubt() {
      if (state !== 'held') return
      for (const reader of readers.values())
        if (!reader.paused && reader.doubt()) member.resumeAt(reader.partition, reader.next)
    },
    compare(ends) {
      for (const reader of readers.values())
        if (isRead(reader) && (ends.get(reader.partition) ?? Number.POSITIVE_INFINITY) < reader.fresh)
          void reposition(reader)
    },
    committable(partition, position) {
      if (readers.get(partition)?.committable(position)) touch()
    },
    touch,
    release: options => (released ??= end(options)),
  }
}

const FROM_ZERO: Start = { next: 0, expected: null, misfit: null }
