import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../observe.ts'
import type { LogConsumer } from './event-log.ts'
import { type PartitionReader, partitionReader } from './kafka-partition.ts'

/** How long partitions may take to be given up; the group waits for it (30 s at most, `rebalanceTimeout`). */
const DRAIN_MS = 10_000
const COMMIT_EVERY_MS = 300
const LAST_COMMIT_MS = 5_000

/** What the group's member can do for the assignment it was given. */
export interface Member {
  pause(partitions: readonly number[]): void
  /** Goes on reading at this offset. */
  resumeAt(partition: number, offset: number): void
  resume(partition: number): void
  commit(offsets: ReadonlyMap<number, number>): Promise<void>
  /** The offset at which the group goes on in each of these partitions: the committed one, else the first there is. */
  positions(partitions: readonly number[]): Promise<ReadonlyMap<number, number>>
}

export interface Assignment {
  readonly partitions: readonly number[]
  /** null: not ours, not ready yet, or being given up. */
  reader(partition: number): PartitionReader | null
  /** Asks where this partition stands and goes on there. */
  reposition(reader: PartitionReader): void
  settle(partition: number, position: number): void
  /** Something may be committed: foreign records were skipped. */
  touch(): void
  /** Gives the partitions up: nothing is handed out from now on, `revoked` is awaited, what is settled is committed. */
  release(options: { commit: boolean; revoke: boolean }): Promise<void>
}

/**
 * The partitions of one generation of the group. kafkajs commits under whatever generation it is in, so a word about an earlier
 * one must not reach it: everything of an assignment (readers, settling, committing) ends with `release`, which is awaited
 * before the group is joined again. `order` runs the consumer's callbacks strictly one after the other, across assignments.
 */
export function assignment(deps: {
  partitions: readonly number[]
  consumer: LogConsumer
  member: Member
  order: <T>(callback: () => Promise<T>) => Promise<T>
  clock: Clock
  log: Log
}): Assignment {
  const { partitions, consumer, member, order, clock, log } = deps
  const readers = new Map<number, PartitionReader>()
  let state: 'held' | 'draining' | 'ended' = 'held'
  let told = false
  let cancelCommit: (() => void) | null = null
  let committing: Promise<void> = Promise.resolve()
  let released: Promise<void> | null = null
  const over = new AbortController()

  /** Again and again until it works or the partitions are gone. */
  async function insist<T>(what: string, attempt: () => Promise<T>): Promise<T | null> {
    for (let pause = 100; state === 'held'; pause = Math.min(pause * 2, 5_000)) {
      try {
        return await attempt()
      } catch (error) {
        log.warn({ error: messageOf(error), group: consumer.group }, `${what} failed; it is tried again`)
        await clock.sleep(pause, over.signal)
      }
    }
    return null
  }

  async function begin(): Promise<void> {
    if (partitions.length === 0 || state !== 'held') return
    told = true
    await insist('taking over partitions', () => consumer.assigned(partitions, null))
    const positions = await insist("reading the group's positions", () => member.positions(partitions))
    if (!positions || state !== 'held') return
    for (const partition of partitions) {
      const next = positions.get(partition) ?? 0
      const reader = partitionReader({
        partition,
        next,
        onBatch: consumer.onBatch,
        pause: () => member.pause([partition]),
        resume: () => state === 'held' && member.resume(partition),
        clock,
        log,
      })
      readers.set(partition, reader)
      member.resumeAt(partition, next)
      reader.open()
    }
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
      const offsets = new Map<number, number>()
      for (const reader of readers.values()) {
        const offset = reader.uncommitted()
        if (offset !== null) offsets.set(reader.partition, offset)
      }
      if (offsets.size === 0 || state === 'ended') return
      try {
        await member.commit(offsets)
        for (const [partition, offset] of offsets) readers.get(partition)?.committed(offset)
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
      if (!(await within(clock, DRAIN_MS, revoked)))
        log.error(
          { partitions },
          `partitions were not given up within ${DRAIN_MS} ms; the group goes on without waiting`,
        )
    }
    if (options.commit) await within(clock, LAST_COMMIT_MS, commit())
    state = 'ended'
    readers.clear()
  }

  void order(begin)
  return {
    partitions,
    reader: partition => (state === 'held' ? (readers.get(partition) ?? null) : null),
    reposition: reader => {
      member.pause([reader.partition])
      void insist('finding a position again', () => member.positions([reader.partition])).then(positions => {
        const found = positions?.get(reader.partition)
        if (found === undefined || state !== 'held') return
        // Behind what was committed only where the topic no longer has it.
        reader.next = Math.max(reader.next, found)
        member.resumeAt(reader.partition, reader.next)
      })
    },
    settle(partition, position) {
      if (readers.get(partition)?.settle(position)) touch()
    },
    touch,
    release: options => (released ??= end(options)),
  }
}

/** False: it took longer. */
export async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController()
  try {
    return await Promise.race([work.then(() => true), clock.sleep(ms, timer.signal).then(() => false)])
  } finally {
    timer.abort()
  }
}
