import type { Clock } from './clock.ts'

/** Lets one waiter sleep until there is work. A ring while nobody waits is kept for the next waiter. */
export interface WakeUp {
  wake(): void
  /** Resolves at the next ring (or the one missed), after `ms`, or when the signal aborts. */
  wait(signal: AbortSignal, ms?: number): Promise<void>
}

const AWAKE = 'awake'

export function createWakeUp(clock: Clock): WakeUp {
  let missed = false
  let wake = () => {}
  return {
    wake(): void {
      missed = true
      wake()
    },
    async wait(signal, ms = Number.MAX_SAFE_INTEGER): Promise<void> {
      if (!missed && !signal.aborted) {
        const awake = new AbortController()
        // With a reason of ours, because the default one is an error with a stack.
        wake = () => awake.abort(AWAKE)
        signal.addEventListener('abort', wake, { once: true })
        await clock.sleep(ms, awake.signal)
        signal.removeEventListener('abort', wake)
        wake = () => {}
      }
      missed = false
    },
  }
}
