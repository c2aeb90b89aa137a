import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'

/** How long a settled position may stay unwritten: a crash within this time repeats what it settled. */
const WRITE_AFTER_MS = 200
const RETRY_AFTER_MS = 2000

export interface Settled {
  /** A position at or below one settled before is nothing. */
  settle(position: number): void
  /** Writes what is not yet written; never rejects. */
  flush(): Promise<void>
  /** null: what is settled gets written; else one sentence. */
  health(): string | null
}

/** The settled position of one group, written at most every 200 ms however often it moves. */
export function createSettled(deps: { clock: Clock; write: (position: number) => Promise<void> }): Settled {
  const { clock, write } = deps
  let settled = 0
  let written = 0
  let trouble: string | null = null
  let writing: Promise<void> = Promise.resolve()
  let cancel: (() => void) | null = null

  const writeNow = async () => {
    const position = settled
    if (position <= written) return
    try {
      await write(position)
      written = position
      trouble = null
    } catch (error) {
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
    settle: position => {
      if (position <= settled) return
      settled = position
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
