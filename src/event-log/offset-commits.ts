import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { type Ahead, encodeAhead } from './ahead.ts'

/** How long a committable offset may stay unwritten. A crash within this time repeats its events. */
const WRITE_AFTER_MS = 200
const RETRY_AFTER_MS = 500

export interface OffsetCommits {
  /** A lower position than before changes nothing. The same one counts only with `ahead`, which may have changed. */
  committable(position: number, ahead?: () => Ahead): void
  /** Writes what is not written yet. Never rejects. */
  flush(): Promise<void>
  /** null: offsets get written; else one sentence. */
  health(): string | null
}

/** Writes the committable offset of one group and what is done beyond it, every 200 ms while they change. */
export function createOffsetCommits(deps: {
  clock: Clock
  write: (position: number, ahead: string) => Promise<void>
}): OffsetCommits {
  const { clock, write } = deps
  let committable = 0
  let aheadNow: (() => Ahead) | undefined
  let changed = false
  let trouble: string | null = null
  let writing: Promise<void> = Promise.resolve()
  let cancel: (() => void) | null = null

  const writeNow = async () => {
    if (!changed) return
    changed = false
    try {
      await write(committable, aheadNow ? encodeAhead(aheadNow()) : '')
      trouble = null
    } catch (error) {
      changed = true
      trouble = `the event log cannot write its position: ${messageOf(error)}`
      schedule(RETRY_AFTER_MS)
    }
  }
  /** Runs one write at a time. */
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
      if (position < committable || (position === committable && !ahead)) return
      committable = position
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
