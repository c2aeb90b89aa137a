import { createBackOff } from '../../lib/back-off.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../telemetry/log.ts'
import type { LogEntry } from '../event-log.ts'
import { type Anchor, createAnchors, type Start } from './position.ts'

/** Bytes of events of a partition in memory at which fetching pauses, and at which it resumes. */
const PAUSE_ABOVE = 1024 * 1024
const RESUME_BELOW = 512 * 1024
/** Entries in one call of `onBatch`. */
const HAND_OUT = 200

/** One partition while this consumer holds it: what is fetched, handed out and committable. */
export interface PartitionReader {
  readonly partition: number
  /** The next offset to fetch. A batch that starts elsewhere was fetched under an earlier assignment. */
  next: number
  /** The record that must come first in the next batch to prove that the log is the one that was read; null: no proof is needed. */
  readonly expected: Anchor | null
  /** Fetching waits until the consumer has taken in some of the events in memory. */
  readonly paused: boolean
  /** From now on `onBatch` may be called. */
  open(): void
  /** Hands out no more batches. Offsets still become committable. */
  drain(): void
  /**
   * The log may be another one since the last fetch. True: `next` went back to a record that was read, to check that it is still there.
   * False: no such record is known.
   */
  doubt(): boolean
  /** The expected record is there. */
  trust(): void
  /** Records before this offset are gone: continues there. */
  skip(offset: number): void
  /** Records from this offset on are new to us. */
  readonly fresh: number
  /** Takes in a fetched batch up to and including offset `last`. `entries` does not contain foreign records. */
  take(entries: readonly LogEntry[], last: number, anchors?: readonly Anchor[]): void
  /** Everything up to this position is acknowledged or in the backlog. False: this position was not handed out, so the call is late or wrong. */
  committable(position: number): boolean
  /** Everything before this offset is taken in, including foreign records. */
  reached(): number
  /** The offset to commit; null: nothing new. */
  uncommitted(): number | null
  /** The record that identifies the log to a reader that continues at this offset. */
  anchor(offset: number): Anchor | null
  committed(offset: number): void
}

export function partitionReader(deps: {
  partition: number
  start: Start
  onBatch: (partition: number, entries: readonly LogEntry[]) => Promise<void>
  pause: () => void
  resume: () => void
  clock: Clock
  log: Log
}): PartitionReader {
  const { partition, start, onBatch, clock, log } = deps
  const anchors = createAnchors(start.expected)
  let buffer: LogEntry[] = []
  let buffered = 0
  let paused = false
  let state: 'waiting' | 'open' | 'draining' = 'waiting'
  let pumping = false
  /** Position of the last entry taken in, of the last handed out, and of the last that is committable. */
  let [taken, handed, done] = [-1, -1, -1]
  let reached = start.next
  /** Last fetched offset, including foreign records. */
  let end = start.next - 1
  /** A position that does not fit the log is replaced at once. */
  let written = start.misfit === null ? start.next : -1
  let next = start.expected?.offset ?? start.next
  let expected = start.expected

  async function pump(): Promise<void> {
    pumping = true
    while (state === 'open' && buffer.length > 0) {
      const entries = buffer.slice(0, HAND_OUT)
      buffer = buffer.slice(HAND_OUT)
      handed = entries.at(-1)?.position ?? handed
      await handOut(entries)
      if (state === 'open') reached = buffer.length > 0 ? handed + 1 : end + 1
      for (const { event } of entries) buffered -= event.body.length
      if (paused && buffered < RESUME_BELOW && state === 'open') {
        paused = false
        deps.resume()
      }
    }
    pumping = false
  }

  /** Offers a batch again if the consumer fails to take it in: skipping it would lose events. */
  async function handOut(entries: readonly LogEntry[]): Promise<void> {
    const backOff = createBackOff({ firstMs: 100, longestMs: 5_000 })
    while (state === 'open') {
      try {
        return await onBatch(partition, entries)
      } catch (error) {
        log.error(
          { partition, error: messageOf(error) },
          'a batch of the event log was not taken in; it is offered again',
        )
        await clock.sleep(backOff.next())
      }
    }
  }

  return {
    partition,
    get next() {
      return next
    },
    set next(offset) {
      next = offset
    },
    get expected() {
      return expected
    },
    get paused() {
      return paused
    },
    get fresh() {
      return end + 1
    },
    open: () => {
      if (state !== 'waiting') return
      state = 'open'
      void pump()
    },
    drain: () => {
      state = 'draining'
      buffer = []
    },
    doubt() {
      expected = anchors.before(end + 1)
      if (expected) next = expected.offset
      return expected !== null
    },
    trust() {
      expected = null
    },
    skip(offset) {
      expected = null
      next = offset
      end = Math.max(end, offset - 1)
      if (buffer.length === 0 && !pumping) reached = end + 1
    },
    take(entries, last, seen = []) {
      if (state === 'draining') return
      for (const anchor of seen) anchors.add(anchor)
      for (const entry of entries) {
        buffer.push(entry)
        buffered += entry.event.body.length
      }
      taken = entries.at(-1)?.position ?? taken
      end = Math.max(end, last)
      if (buffer.length === 0 && !pumping) reached = end + 1
      if (!paused && buffered > PAUSE_ABOVE) {
        paused = true
        deps.pause()
      }
      if (state === 'open' && !pumping) void pump()
    },
    committable(position) {
      if (position > handed || position < start.next) return false
      done = Math.max(done, position)
      return true
    },
    reached: () => reached,
    uncommitted: () => {
      // Foreign records behind the last event are committed with it. Otherwise every restart would read them again.
      const offset = done >= taken ? end + 1 : Math.max(done + 1, start.next)
      return offset > written ? offset : null
    },
    anchor: anchors.before,
    committed: offset => {
      written = Math.max(written, offset)
      anchors.committed(offset)
    },
  }
}
