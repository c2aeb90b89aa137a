import type { RateLimit } from '../../../schemas/config.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { createTokenBucket } from '../../lib/token-bucket.ts'

/**
 * Decides when a request of one connection may leave: a token bucket with two queues. A `live` request always leaves before
 * any waiting `backfill` request, and backfill leaves the last token to live ones.
 */
export interface Pace {
  /** Resolves when the request may leave. Rejects (`retry`) on abort, and at once while the vendor asked for a long rest. */
  take(priority: Priority, signal: AbortSignal): Promise<void>
  /** The vendor asked to be left alone this long: nothing leaves, and afterwards everything goes slower for a while. */
  rest(ms: number): void
  /** An answer was fine: speed up again, a little. */
  recover(): void
  /** Milliseconds of rest left; 0: none. */
  resting(): number
}

export type Priority = 'live' | 'backfill'

/** Up to this long a request waits through a rest; beyond it the caller is told instead, so that it can say why it stands still. */
const LONGEST_WAIT = 10_000
const SLOWEST = 1 / 16
const RECOVERY = 0.02

interface Waiter {
  go(): void
  fail(error: AppError): void
}

/** `book`: of a pace that is shared between processes, the milliseconds until the next request of all of them may leave. */
export function createPace(deps: { limit: RateLimit; clock: Clock; book?: () => Promise<number> }): Pace {
  const { limit, clock, book } = deps
  const queues: Record<Priority, Set<Waiter>> = { live: new Set(), backfill: new Set() }
  /** What a request needs to find in the bucket. A bucket of one has nothing to spare for the other queue. */
  const needs: Record<Priority, number> = { live: 1, backfill: limit.burst >= 2 ? 2 : 1 }
  let restUntil = 0
  let factor = 1
  const bucket = createTokenBucket(limit, { clock, speed: () => factor })
  let alarm: AbortController | null = null
  let slot: 'none' | 'booked' | 'ready' = book ? 'none' : 'ready'

  const resting = () => Math.max(0, restUntil - clock.monotonic())

  /** Lets go whoever may go, in order; then sets the alarm for the next. */
  function pump(): void {
    alarm?.abort()
    alarm = null
    const pause = resting()
    if (pause > LONGEST_WAIT) {
      for (const queue of [queues.live, queues.backfill]) for (const waiter of queue) waiter.fail(restError(pause))
      return
    }
    if (pause > 0) {
      if (queues.live.size + queues.backfill.size > 0) wakeIn(pause)
      return
    }
    for (const priority of ['live', 'backfill'] as const) {
      for (const waiter of queues[priority]) {
        if (slot !== 'ready') {
          bookSlot()
          return
        }
        const wait = bucket.wait(needs[priority])
        if (wait > 0) {
          wakeIn(wait)
          return
        }
        bucket.take()
        if (book) slot = 'none'
        waiter.go()
      }
    }
  }

  /** One at a time: who goes in it is decided when it has come. Without the others' word our own pace holds. */
  function bookSlot(): void {
    if (!book || slot !== 'none') return
    slot = 'booked'
    void book()
      .catch(() => 0)
      .then(ms => (ms > 0 ? clock.sleep(ms) : undefined))
      .then(() => {
        slot = 'ready'
        pump()
      })
  }

  function wakeIn(ms: number): void {
    const mine = new AbortController()
    alarm = mine
    void clock.sleep(Math.max(1, Math.ceil(ms)), mine.signal).then(() => {
      if (!mine.signal.aborted) pump()
    })
  }

  return {
    resting,
    take: (priority, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(aborted(signal))
        const leave = () => {
          queues[priority].delete(waiter)
          signal.removeEventListener('abort', onAbort)
        }
        const waiter: Waiter = {
          go() {
            leave()
            resolve()
          },
          fail(error) {
            leave()
            reject(error)
          },
        }
        const onAbort = () => {
          waiter.fail(aborted(signal))
          pump()
        }
        signal.addEventListener('abort', onAbort, { once: true })
        queues[priority].add(waiter)
        pump()
      }),
    rest(ms) {
      // Several requests in flight may all be refused for one and the same reason: that slows down once.
      if (resting() === 0) factor = Math.max(SLOWEST, factor / 2)
      restUntil = Math.max(restUntil, clock.monotonic() + ms)
      bucket.drain(1, restUntil)
      pump()
    },
    recover() {
      factor = Math.min(1, factor + RECOVERY)
    },
  }
}

function restError(ms: number): AppError {
  return new AppError(
    `The vendor asked for a pause; ${Math.ceil(ms / 1000)} s of it are left. Nothing is sent before; it goes on by itself.`,
    { code: 'vendor.rate_limited', intent: 'retry', retryAfterMs: Math.ceil(ms) },
  )
}

/** What a request rejects with when its signal aborts. */
export function aborted(signal: AbortSignal): AppError {
  return new AppError('The request was called off.', {
    code: 'vendor.aborted',
    intent: 'retry',
    cause: signal.reason,
  })
}
