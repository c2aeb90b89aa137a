import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { type Ahead, encodeAhead } from './ahead.ts'

/** How long a settled position may stay unwritten: a crash within this time repeats what it settled. */
const WRITE_AFTER_MS = 200
const RETRY_AFTER_MS = 500

export interface OffsetCommits {
  /** A position below one settled before is nothing, and so is the same one unless what is done beyond it may have changed. */
  committable(position: number, ahead?: () => Ahead): void
  /** Writes what is not yet written; never rejects. */
  flush(): Promise<void>
  /** null: what is settled gets written; else one sentence. */
  health(): string | null
}

/** The settled position of one group and what is done beyond it, written every 200 ms while they change. */
export function createOffsetCommits(deps: {
  clock: Clock
  write: (position: number, ahead: string) => Promise<void>
}): OffsetCommits {
  const { clock, write } = deps
  let settled = 0
  let aheadNow: (() => Ahead) | undefined
  let changed = false
  let trouble: string | null = null
  let writing: Promise<void> = Promise.resolve()
  let cancel: (() => void) | null = null

  const writeNow = async () => {
    if (!changed) return
    changed = false
    try {
      await write(settled, aheadNow ? encodeAhead(aheadNow()) : '')
      trouble = null
    } catch (error) {
      changed = true
      trouble = `the event log cannot write its position: ${messageOf(error)}`
      schedule(RETRY_AFTER_MS)
    }
  }
  /** One write at a time. */
  const enqueue = () => {
    writing = writing.then(writeNow)
    return writing
  }
  const schedule = (ms: number) => {
    cancel ??= clock.after(ms, () => {
      cancel = null
      void enqueue()
    })
  }
  return {
    committable: (position, ahead) => {
      if (position < settled || (position === settled && !ahead)) return
      settled = position
      aheadNow = ahead
      changed = true
      schedule(WRITE_AFTER_MS)
    },
    flush: async () => {
      await enqueue()
      cancel?.()
      cancel = null
    },
    health: () => trouble,
  }
}
