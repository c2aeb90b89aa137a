import type { Clock } from '../lib/clock.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

const EVERY_MS = 500
/** Longer than this delays polls, leases and heartbeats noticeably. */
const LONG_MS = 1_000
/** The gauge shows the worst of the current window and the one before. */
const WINDOW_MS = 15_000

/**
 * Measures how late a timer fires: for that long nothing else ran in this process. Over a second it logs a warning that names the handlers
 * that may have blocked the loop (`suspects`). Returns how to stop.
 */
export function watchEventLoop(deps: {
  clock: Clock
  log: Log
  metrics: Pick<Metrics, 'eventLoopLag'>
  suspects: () => readonly string[]
}): () => void {
  const { clock, log, metrics } = deps
  let stopped = false
  let cancel = () => {}
  let window = { began: clock.monotonic(), worst: 0, before: 0 }

  function tick(): void {
    const due = clock.monotonic() + EVERY_MS
    cancel = clock.after(EVERY_MS, () => {
      const now = clock.monotonic()
      const late = Math.max(0, now - due)
      const handlers = deps.suspects()
      if (late > LONG_MS) warn(late, handlers)
      if (now - window.began > WINDOW_MS) window = { began: now, worst: 0, before: window.worst }
      window.worst = Math.max(window.worst, late)
      metrics.eventLoopLag.set(Math.max(window.worst, window.before) / 1000)
      if (!stopped) tick()
    })
  }

  function warn(late: number, handlers: readonly string[]): void {
    const seconds = Math.round(late / 100) / 10
    const advice =
      handlers.length === 0
        ? 'no handler ran: the machine may be overloaded, or the process was paused'
        : 'polls, deliveries and leases waited meanwhile; a handler that computes for long belongs into a thread (`isolate: true`)'
    log.warn({ seconds, handlers }, `the event loop stood still for ${seconds} s: ${advice}`)
  }

  tick()
  return () => {
    stopped = true
    cancel()
  }
}
