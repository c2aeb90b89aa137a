import type { Clock } from '../../src/lib/clock.ts'

/** A clock that moves only when told to; due sleeps and timers run in the order of their times. */
export interface MemoryClock extends Clock {
  /** Lets `ms` pass; between two timers everything that follows from the first happens. */
  advance(ms: number): Promise<void>
  /** Lets time pass, at most `withinMs`, until the condition holds; rejects if it never does. */
  until(condition: () => boolean | Promise<boolean>, withinMs?: number): Promise<void>
  /** Lets everything happen that needs no time. */
  flush(): Promise<void>
}

interface Timer {
  readonly at: number
  readonly n: number
  readonly run: () => void
}

export function memoryClock(start = Date.parse('2026-03-01T00:00:00Z')): MemoryClock {
  let elapsed = 0
  let n = 0
  const timers = new Set<Timer>()

  function next(): Timer | undefined {
    let first: Timer | undefined
    for (const timer of timers)
      if (!first || timer.at < first.at || (timer.at === first.at && timer.n < first.n)) first = timer
    return first
  }
  const after = (ms: number, run: () => void): (() => void) => {
    const timer: Timer = { at: elapsed + Math.max(0, ms), n: n++, run }
    timers.add(timer)
    return () => void timers.delete(timer)
  }
  /** A turn of the real event loop: all promises that can go on have gone on, answers over loopback may still be on their way. */
  const turn = () => new Promise<void>(resolve => setImmediate(resolve))
  const flush = async () => {
    for (let i = 0; i < 3; i++) await turn()
  }

  async function step(limit: number): Promise<boolean> {
    const timer = next()
    if (!timer || timer.at > limit) return false
    elapsed = timer.at
    timers.delete(timer)
    timer.run()
    await turn()
    return true
  }

  return {
    now: () => start + elapsed,
    monotonic: () => elapsed,
    sleep: (ms, signal) =>
      new Promise(resolve => {
        if (signal?.aborted) return resolve()
        const cancel = after(ms, () => {
          signal?.removeEventListener('abort', stop)
          resolve()
        })
        const stop = () => {
          cancel()
          resolve()
        }
        signal?.addEventListener('abort', stop, { once: true })
      }),
    after,
    flush,
    async advance(ms) {
      const limit = elapsed + ms
      await flush()
      while (await step(limit));
      elapsed = limit
      await flush()
    },
    async until(condition, withinMs = 60_000) {
      const limit = elapsed + withinMs
      await flush()
      while (!(await condition())) {
        if (!(await step(limit))) {
          await flush()
          if (await condition()) return
          throw new Error(`after ${withinMs} ms of clock time the condition still does not hold: ${condition}`)
        }
      }
    },
  }
}
