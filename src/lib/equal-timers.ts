import type { Clock } from './clock.ts'

/**
 * Timers of which there are many of the same length and few that run out, such as the timeouts of requests. Those of one length run out in
 * the order they began, so one timer of the clock serves all of them.
 */
export interface EqualTimers {
  /** Runs `run` once after `ms`; returns its cancellation. */
  after(ms: number, run: () => void): () => void
}

interface Waiting {
  readonly due: number
  readonly run: () => void
}

export function createEqualTimers(clock: Pick<Clock, 'monotonic' | 'after'>): EqualTimers {
  const byLength = new Map<number, Set<Waiting>>()

  function arm(ms: number, waiting: Set<Waiting>): void {
    const [first] = waiting
    if (!first) {
      byLength.delete(ms)
      return
    }
    clock.after(Math.max(1, Math.ceil(first.due - clock.monotonic())), () => {
      const now = clock.monotonic()
      const over: Waiting[] = []
      for (const one of waiting) {
        if (one.due > now) break
        over.push(one)
        waiting.delete(one)
      }
      arm(ms, waiting)
      for (const one of over) one.run()
    })
  }

  return {
    after(ms, run) {
      const one = { due: clock.monotonic() + ms, run }
      const waiting = byLength.get(ms)
      if (waiting) waiting.add(one)
      else {
        const first = new Set([one])
        byLength.set(ms, first)
        arm(ms, first)
      }
      return () => {
        byLength.get(ms)?.delete(one)
      }
    },
  }
}
