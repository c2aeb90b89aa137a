import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../telemetry/log.ts'
import type { LogEntry } from '../event-log.ts'
import { type Anchor, createAnchors, type Start } from './position.ts'

/** How much of a partition is held in memory before its fetching is paused, and when it goes on (bytes of events). */
const PAUSE_ABOVE = 1024 * 1024
const RESUME_BELOW = 512 * 1024
/** Entries handed out at once. */
const HAND_OUT = 200

/** One partition as long as this consumer holds it: what was read, handed out and settled of it. */
export interface PartitionReader {
  readonly partition: number
  /** The offset to be fetched next. A batch that starts elsewhere was asked for under an earlier assignment. */
  next: number
  /** The record that the next batch must begin with, so that the log is still the one that was read; null: nothing is doubted. */
  readonly expected: Anchor | null
  /** Its fetching waits until some of what is in memory has been taken in. */
  readonly paused: boolean
  /** From now on `onBatch` may be called. */
  open(): void
  /** No batch is handed out any more; settling goes on. */
  drain(): void
  /**
   * The log may be another one since the last fetch. True: `next` went back to a record that has been read, which has to be there.
   * False: no record is known.
   */
  doubt(): boolean
  /** The record expected is there. */
  trust(): void
  /** What is before this offset is there no more: goes on there. */
  skip(offset: number): void
  /** The offset from which on records are new to us. */
  readonly fresh: number
  /** Takes in what was fetched, up to and including offset `last`. `entries` lacks the records that are none of ours. */
  take(entries: readonly LogEntry[], last: number, anchors?: readonly Anchor[]): void
  /** False: nothing of this partition was handed out under this position, so the word is late or wrong. */
  settle(position: number): boolean
  /** The offset before which everything has been taken in, foreign records included. */
  reached(): number
  /** The offset to commit: everything before it is settled. null: nothing new. */
  uncommitted(): number | null
  /** What to recognise the log by, for whoever goes on at this offset. */
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
  /** Position of the last entry taken in, of the last handed out, and of the last settled. */
  let [taken, handed, settled] = [-1, -1, -1]
  let reached = start.next
  /** Last offset fetched, foreign records included. */
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

  /** A batch that cannot be taken in is offered again: skipping it would lose events. */
  async function handOut(entries: readonly LogEntry[]): Promise<void> {
    for (let pause = 100; state === 'open'; pause = Math.min(pause * 2, 5_000)) {
      try {
        return await onBatch(partition, entries)
      } catch (error) {
        log.error(
          { partition, error: messageOf(error) },
          'a batch of the event log was not taken in; it is offered again',
        )
        await clock.sleep(pause)
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
    settle(position) {
      if (position > handed || position < start.next) return false
      settled = Math.max(settled, position)
      return true
    },
    reached: () => reached,
    uncommitted: () => {
      // Foreign records behind the last event are settled with it, else they would be read again for ever.
      const offset = settled >= taken ? end + 1 : Math.max(settled + 1, start.next)
      return offset > written ? offset : null
    },
    anchor: anchors.before,
    committed: offset => {
      written = Math.max(written, offset)
      anchors.committed(offset)
    },
  }
}
