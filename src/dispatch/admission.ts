import type { Clock } from '../lib/clock.ts'
import { LONGEST_REST } from '../lib/retry-after.ts'
import { createTokenBucket, type TokenBucket } from '../lib/token-bucket.ts'
import { createBreaker } from './breaker.ts'
import type { Destination, Outcome } from './destination.ts'

/** Whether a destination may be sent to now: its state, the rest it asked for, its circuit, its rate limit. */
export interface Admission {
  /** Events may wait in memory for it. False: they belong into the store, for it will take longer. */
  readonly open: boolean
  readonly circuitOpen: boolean
  /** Milliseconds until a send may begin, the rate limit left aside; Infinity: something else has to happen first. */
  blockedFor(): number
  /** The same, the rate limit included. */
  wait(): number
  /** A send begins. */
  sent(): void
  /** How a send ended; says what follows from it. */
  note(outcome: Outcome, orderKey: string): HealthChange
  /** It asked for a rest that is not over. */
  readonly resting: boolean
  configure(destination: Known): void
  /** Lets the next probe of an open circuit go now. False: it is closed. */
  probe(): boolean
}

/**
 * `shut`: it has just become unfit to be sent to. `recovered`: the circuit has closed. `failing`: it still fails; who knows for how
 * long. `expired`: it has failed for days.
 */
export type HealthChange = 'none' | 'shut' | 'recovered' | 'gone' | 'failing' | 'expired'

/** An endpoint that has failed this long without a single success is disabled. */
export const GIVE_UP_AFTER = 5 * 86_400_000
/** What the admission knows of its destination. */
type Known = Pick<Destination, 'state' | 'delivery' | 'restUntil' | 'changedAt'>

/** Persist a new Retry-After only if it extends the stored one by more than this; a burst of 429s usually repeats the same value. */
const SAME_REST = 1_000
/** A failure that has lasted so long is worth a look at how long it really has. */
const CHECK_FAILING_AFTER = 60_000

export function createAdmission(deps: {
  clock: Clock
  destination: Known & Pick<Destination, 'kind'>
  /** It asks for a rest until then, milliseconds since the epoch. */
  rests: (until: number) => void
}): Admission {
  const { clock } = deps
  // A handler is our own code: when it throws, that is about the event. Only endpoints have a circuit.
  const breaker = deps.destination.kind === 'endpoint' ? createBreaker() : null
  let state = deps.destination.state
  let { rateLimit } = deps.destination.delivery
  let bucket = bucketOf(rateLimit)
  let { changedAt } = deps.destination
  /** By the clock that only goes forward. */
  let restUntil = 0
  /** As far as it is written down, by the same clock; and the wall time of the last that was read. */
  let writtenUntil = 0
  let readUntil: number | null = null
  takeUp(deps.destination.restUntil)

  /** null: no limit. */
  function bucketOf(limit: typeof rateLimit): TokenBucket | null {
    return limit && createTokenBucket(limit, { clock })
  }

  /** What was written down, by whatever process; once, so that it ends even if a wall clock is wrong. */
  function takeUp(until: number | null | undefined): void {
    if (until === undefined || until === null || until === readUntil) return
    readUntil = until
    writtenUntil = clock.monotonic() + Math.min(until - clock.now(), LONGEST_REST)
    restUntil = Math.max(restUntil, writtenUntil)
  }

  function rest(now: number, ms: number): void {
    restUntil = Math.max(restUntil, now + ms)
    if (restUntil - writtenUntil <= SAME_REST) return
    writtenUntil = restUntil
    readUntil = clock.now() + restUntil - now
    deps.rests(readUntil)
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
      if (now - failingSince >= GIVE_UP_AFTER) return 'expired'
      if (outcome.restMs !== null && outcome.restMs > 0) {
        const resting = restUntil > now
        rest(now, outcome.restMs)
        return resting && !opened ? 'none' : 'shut'
      }
      if (opened) return 'shut'
      return now - failingSince < CHECK_FAILING_AFTER ? 'none' : 'failing'
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
      // Whoever resumes or changes it says that it works again; unless what is known of it then still says otherwise.
      if (resumed) breaker?.reset()
      if (resumed || destination.changedAt !== changedAt) {
        restUntil = 0
        writtenUntil = 0
        readUntil = null
      }
      changedAt = destination.changedAt
      takeUp(destination.restUntil)
      state = destination.state
      const limit = destination.delivery.rateLimit
      if (limit?.perSecond !== rateLimit?.perSecond || limit?.burst !== rateLimit?.burst) bucket = bucketOf(limit)
      rateLimit = limit
    },
  }
}
