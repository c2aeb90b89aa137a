/** Time as a dependency. Nothing else in the program reads a clock or sets a timer, so that a test can drive both. */
export interface Clock {
  /** Milliseconds since the epoch; may jump. Use it for stored times. */
  now(): number
  /** Milliseconds of a clock that only goes forward. Use it for durations. */
  monotonic(): number
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Runs `run` once after `ms`; returns its cancellation. Does not keep the process alive. */
  after(ms: number, run: () => void): () => void
}

/** Timers longer than this overflow in Node and fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1

export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    sleep: (ms, signal) =>
      new Promise(resolve => {
        if (signal?.aborted) return resolve()
        const done = () => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', done)
          resolve()
        }
        const timer = setTimeout(done, Math.min(Math.max(ms, 0), LONGEST_TIMER))
        signal?.addEventListener('abort', done, { once: true })
      }),
    after: (ms, run) => {
      const timer = setTimeout(run, Math.min(Math.max(ms, 0), LONGEST_TIMER))
      timer.unref()
      return () => clearTimeout(timer)
    },
  }
}

/** `2026-03-02T10:15:30.000Z` of milliseconds since the epoch. */
export const timestamp = (ms: number): string => new Date(ms).toISOString()
