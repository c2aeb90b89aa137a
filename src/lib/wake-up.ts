import type { Clock } from './clock.ts'

/** Lets one waiter sleep until there is something to do. A ring while nobody waits is not lost. */
export interface Bell {
  ring(): void
  /** Resolves at the next ring (or the one missed), after `ms`, or when the signal aborts. */
  wait(signal: AbortSignal, ms?: number): Promise<void>
}

export function createBell(clock: Clock): Bell {
  let rung = false
  let wake = () => {}
  return {
    ring(): void {
      rung = true
      wake()
    },
    async wait(signal, ms = Number.MAX_SAFE_INTEGER): Promise<void> {
      if (!rung && !signal.aborted) {
        const awake = new AbortController()
        wake = () => awake.abort()
        signal.addEventListener('abort', wake, { once: true })
        await clock.sleep(ms, awake.signal)
        signal.removeEventListener('abort', wake)
        wake = () => {}
      }
      rung = false
    },
  }
}
