import type { Clock } from '../lib/clock.ts'
import { LONGEST_REST } from '../lib/retry-after.ts'
import { createTokenBucket, type TokenBucket } from '../lib/token-bucket.ts'
import { createBreaker } from './breaker.ts'
import type { Destination, Outcome } from './destination.ts'

/** Decides whether a destination may be sent to now, from its state, the rest it asked for, its circuit and its rate limit. */
export interface Admission {
  /** Events may wait in memory. False: the wait will be long, so they belong in the store. */
  readonly open: boolean
  readonly circuitOpen: boolean
  /** Milliseconds until a send may begin, without the rate limit; Infinity: until something else happens. */
  blockedFor(): number
  /** The same with the rate limit. */
  wait(): number
  /** A send begins. */
  sent(): void
  /** A send ended. Returns what it changes. */
  note(outcome: Outcome, orderKey: string): HealthChange
  /** The rest that the destination asked for is not over. */
  readonly resting: boolean
  configure(destination: Admitted): void
  /** The next probe of an open circuit may go now. False: the circuit is closed. */
  probe(): boolean
}

/**
 * - `blocked`: the circuit opened, or a rest began
 * - `recovered`: the circuit closed
 * - `gone`: the endpoint answered 410
 * - `failing`: it has failed for a while, and no other process may have had a success either
 * - `expired`: it has failed for days
 */
export type HealthChange = 'none' | 'blocked' | 'recovered' | 'gone' | 'failing' | 'expired'

/** An endpoint is disabled after it has failed this long without a success. */
export const DISABLE_AFTER_MS = 5 * 86_400_000
/** The part of a destination that decides. */
type Admitted = Pick<Destination, 'state' | 'delivery' | 'restUntil' | 'changedAt'>

/** Persist a new Retry-After only if it extends the stored one by more than this; a burst of 429s usually repeats the same value. */
const SAME_REST_MS = 1_000
/** After this time of failures, ask the store how long the endpoint has failed for all processes. */
const CHECK_FAILING_AFTER_MS = 60_000

export function createAdmission(deps: {
  clock: Clock
  destination: Admitted & Pick<Destination, 'kind'>
  /** Persists a rest, milliseconds since the epoch. */
  rests: (until: number) => void
}): Admission {
  const { clock } = deps
  // Only endpoints have a circuit: a handler that throws says something about the event, not about itself.
  const breaker = deps.destination.kind === 'endpoint' ? createBreaker() : null
  let state = deps.destination.state
  let { rateLimit } = deps.destination.delivery
  let bucket = bucketOf(rateLimit)
  let { changedAt } = deps.destination
  /** By the monotonic clock: the end of the rest, and of the persisted rest. */
  let restUntil = 0
  let persistedUntil = 0
  /** Wall time of the persisted rest that was read or written last. */
  let knownUntil: number | null = null
  takePersisted(deps.destination.restUntil)

  /** null: no limit. */
  function bucketOf(limit: typeof rateLimit): TokenBucket | null {
    return limit && createTokenBucket(limit, { clock })
  }

  /** Takes a persisted rest of any process. Each is taken once and for an hour at most, so it ends even if a wall clock is wrong. */
  function takePersisted(until: number | null | undefined): void {
    if (until === undefined || until === null || until === knownUntil) return
    knownUntil = until
    persistedUntil = clock.monotonic() + Math.min(until - clock.now(), LONGEST_REST)
    restUntil = Math.max(restUntil, persistedUntil)
  }

  function rest(now: number, ms: number): void {
    restUntil = Math.max(restUntil, now + ms)
    if (restUntil - persistedUntil <= SAME_REST_MS) return
    persistedUntil = restUntil
    knownUntil = clock.now() + restUntil - now
    deps.rests(knownUntil)
  }

  function blockedFor(): number {
    if (state !== 'active') return Number.POSITIVE_INFINITY
    const now = clock.monotonic()
    return Math.max(restUntil - now, breaker?.wait(now) ?? 0, 0)
  }

  return {
    get open() {
      return state === 'active' && !breaker?.open && clock.monotonic() >= restUntil
    },
    get circuitOpen() {
      return breaker?.open ?? false
    },
    blockedFor,
    wait: () => Math.max(blockedFor(), Math.ceil(bucket?.wait() ?? 0)),
    sent() {
      bucket?.take()
      breaker?.sent()
    },
    note(outcome, orderKey) {
      const now = clock.monotonic()
      if (outcome.result === 'aborted') {
        breaker?.forget()
        return 'none'
      }
      if (outcome.result === 'delivered') return breaker?.succeeded() ? 'recovered' : 'none'
      if (outcome.result === 'gone') {
        breaker?.forget()
        return 'gone'
      }
      const opened = breaker?.failed(orderKey, now) ?? false
      const failingSince = breaker?.failingSince ?? now
      if (now - failingSince >= DISABLE_AFTER_MS) return 'expired'
      if (outcome.restMs !== null && outcome.restMs > 0) {
        const resting = restUntil > now
        rest(now, outcome.restMs)
        return resting && !opened ? 'none' : 'blocked'
      }
      if (opened) return 'blocked'
      return now - failingSince < CHECK_FAILING_AFTER_MS ? 'none' : 'failing'
    },
    probe() {
      breaker?.probe(clock.monotonic())
      return breaker?.open ?? false
    },
    get resting() {
      return clock.monotonic() < restUntil
    },
    configure(destination) {
      const resumed = destination.state === 'active' && state !== 'active'
      // Somebody who resumes or edits the destination believes that it works again. A rest persisted since then still counts.
      if (resumed) breaker?.reset()
      if (resumed || destination.changedAt !== changedAt) {
        restUntil = 0
        persistedUntil = 0
        knownUntil = null
      }
      changedAt = destination.changedAt
      takePersisted(destination.restUntil)
      state = destination.state
      const limit = destination.delivery.rateLimit
      if (limit?.perSecond !== rateLimit?.perSecond || limit?.burst !== rateLimit?.burst) bucket = bucketOf(limit)
      rateLimit = limit
    },
  }
}
