import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { EventStore } from '../store/port/events.ts'
import type { Log } from '../telemetry/log.ts'

/** While a stream waits, the store is asked this often for new events, because other processes write them too. */
const ASK_EVERY_MS = 1_000

/** Wakes open streams when there may be new events. Each stream reads the store at its own pace. */
export interface EventFeed {
  /** Grows when there may be new events. */
  version(): number
  /** True as soon as the version is above `seen`; false after `ms`, or when the signal aborts. */
  wait(seen: number, ms: number, signal: AbortSignal): Promise<boolean>
}

export function createEventFeed({
  events,
  clock,
  log,
  onEvents,
}: {
  events: Pick<EventStore, 'last'>
  clock: Clock
  log: Log
  onEvents?: ((listener: () => void) => () => void) | undefined
}): EventFeed {
  let version = 0
  let asking: AbortController | null = null
  let lastSeen = 0
  const waiting = new Set<() => void>()

  function changed(): void {
    version++
    for (const wake of waiting) wake()
  }
  onEvents?.(changed)

  /** Finds events that other processes wrote. */
  async function ask(until: AbortSignal): Promise<void> {
    for (;;) {
      await clock.sleep(ASK_EVERY_MS, until)
      if (until.aborted) return
      try {
        const last = await events.last()
        if (last !== lastSeen) {
          lastSeen = last
          changed()
        }
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'the store could not be asked for new events; trying again')
      }
    }
  }

  function enter(wake: () => void): void {
    waiting.add(wake)
    if (asking) return
    asking = new AbortController()
    void ask(asking.signal)
  }

  function leave(wake: () => void): void {
    waiting.delete(wake)
    if (waiting.size > 0) return
    asking?.abort()
    asking = null
  }

  return {
    version: () => version,
    async wait(seen, ms, signal) {
      if (version > seen) return true
      const woken = new AbortController()
      const wake = () => woken.abort()
      enter(wake)
      signal.addEventListener('abort', wake, { once: true })
      if (signal.aborted) wake()
      await clock.sleep(ms, woken.signal)
      leave(wake)
      signal.removeEventListener('abort', wake)
      return version > seen && !signal.aborted
    },
  }
}
