import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../observe.ts'
import type { LogEntry } from './event-log.ts'

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
  /** From now on `onBatch` may be called. */
  open(): void
  /** No batch is handed out any more; settling goes on. */
  drain(): void
  /** Takes in what was fetched, up to and including offset `last`. `entries` lacks the records that are none of ours. */
  take(entries: readonly LogEntry[], last: number): void
  /** False: nothing of this partition was handed out under this position, so the word is late or wrong. */
  settle(position: number): boolean
  /** The offset before which everything has been taken in, foreign records included. */
  reached(): number
  /** The offset to commit: everything before it is settled. null: nothing new. */
  uncommitted(): number | null
  committed(offset: number): void
}

export function partitionReader(deps: {
  partition: number
  next: number
  onBatch: (partition: number, entries: readonly LogEntry[]) => Promise<void>
  pause: () => void
  resume: () => void
  clock: Clock
  log: Log
}): PartitionReader {
  const { partition, onBatch, clock, log } = deps
  let buffer: LogEntry[] = []
  let buffered = 0
  let paused = false
  let state: 'waiting' | 'open' | 'draining' = 'waiting'
  let pumping = false
  /** Position of the last entry taken in, of the last handed out, and of the last settled. */
  let [taken, handed, settled] = [-1, -1, -1]
  let reached = deps.next
  /** Last offset fetched, foreign records included. */
  let end = deps.next - 1
  let written = deps.next

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
    next: deps.next,
    open: () => {
      if (state !== 'waiting') return
      state = 'open'
      void pump()
    },
    drain: () => {
      state = 'draining'
      buffer = []
    },
    take(entries, last) {
      if (state === 'draining') return
      for (const entry of entries) {
        buffer.push(entry)
        buffered += entry.event.body.length
      }
      taken = entries.at(-1)?.position ?? taken
      end = last
      if (buffer.length === 0 && !pumping) reached = end + 1
      if (!paused && buffered > PAUSE_ABOVE) {
        paused = true
        deps.pause()
      }
      if (state === 'open' && !pumping) void pump()
    },
    settle(position) {
      if (position > handed || position < deps.next) return false
      settled = Math.max(settled, position)
      return true
    },
    reached: () => reached,
    uncommitted: () => {
      // Foreign records behind the last event are settled with it, else they would be read again for ever.
      const offset = settled >= taken ? end + 1 : settled + 1
      return offset > written ? offset : null
    },
    committed: offset => {
      written = Math.max(written, offset)
    },
  }
}
