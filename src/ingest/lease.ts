import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { LEASE_LOST, type Lease, type LeaseStore } from '../store/port/leases.ts'
import type { Log } from '../telemetry/log.ts'

const LEASE_MS = 15_000
const RENEW_MS = 5_000
/** How soon to ask again after the store failed. */
const ASK_AGAIN_MS = 1_000

/** A lease while we have it. */
export interface HeldLease {
  readonly lease: Lease
  /** Aborts when the lease is lost or the program stops. */
  readonly signal: AbortSignal
  /** Throws LEASE_LOST if the lease may have expired, by the monotonic clock. Call it before a write that checks no epoch: the process may have been suspended. */
  assertFresh(): void
  /** As `assertFresh`, but returns the answer. */
  isFresh(): boolean
  /** Call it when a write found that the lease is gone. */
  lost(cause: unknown): void
}

/**
 * Runs `work` while it holds the lease, again and again until `signal` aborts. Waits while another process has the lease, renews it, and
 * takes it again after losing it. `work` must end soon after its own signal aborts.
 */
export async function withLease(
  deps: {
    leases: Omit<LeaseStore, 'takeOver' | 'list'>
    name: string
    owner: string
    clock: Clock
    log: Log
    signal: AbortSignal
    /** Called with the reason why the work cannot run here; null: another process does it. */
    trouble?: (why: string | null) => void
  },
  work: (held: HeldLease) => Promise<void>,
): Promise<void> {
  const { leases, name, owner, clock, log, signal, trouble = () => {} } = deps
  while (!signal.aborted) {
    const askedAt = clock.monotonic()
    const lease = await leases.acquire(name, owner, LEASE_MS, clock.now()).catch(error => {
      log.error({ lease: name, error: messageOf(error) }, 'cannot ask for the lease; trying again')
      trouble(messageOf(error))
      return undefined
    })
    if (lease === null) trouble(null)
    if (!lease) {
      await clock.sleep(lease === null ? RENEW_MS : ASK_AGAIN_MS, signal)
      continue
    }
    const ended = new AbortController()
    const stop = () => ended.abort()
    signal.addEventListener('abort', stop, { once: true })
    let freshUntil = askedAt + LEASE_MS
    const gone = () =>
      new AppError(`The lease ${name} passed to another process.`, { code: LEASE_LOST, intent: 'stop' })
    const held: HeldLease = {
      lease,
      signal: ended.signal,
      assertFresh: () => {
        if (!held.isFresh()) throw gone()
      },
      isFresh: () => !ended.signal.aborted && clock.monotonic() < freshUntil,
      lost: cause => {
        if (!ended.signal.aborted) {
          log.warn({ lease: name, error: messageOf(cause) }, 'lost the lease')
          trouble(messageOf(cause))
        }
        ended.abort()
      },
    }
    const renewing = (async () => {
      while (!ended.signal.aborted) {
        await clock.sleep(RENEW_MS, ended.signal)
        if (ended.signal.aborted) return
        const at = clock.monotonic()
        const kept = await leases.renew(lease, LEASE_MS, clock.now()).catch(() => null)
        if (kept) freshUntil = at + LEASE_MS
        else if (kept === false || clock.monotonic() >= freshUntil) held.lost(gone())
      }
    })()
    try {
      await work(held)
    } catch (error) {
      if (!ended.signal.aborted)
        log.error({ lease: name, error: messageOf(error) }, 'the work stopped unexpectedly; starting it again')
    } finally {
      ended.abort()
      signal.removeEventListener('abort', stop)
      await renewing
      await leases.release(lease).catch(() => {})
    }
    if (!signal.aborted) await clock.sleep(1_000, signal)
  }
}

/** The lease of a connection for single pieces of work: for commands that run without a server. */
export function createLeaseOnDemand(deps: {
  leases: LeaseStore
  connection: string
  owner: string
  clock: Clock
  log: Log
}) {
  const { leases, connection, owner, clock, log } = deps
  const name = `connection/${connection}`

  const elsewhere = () =>
    new AppError(`Another process works the connection ${connection}; ask that one.`, {
      code: 'ingest.elsewhere',
      intent: 'retry',
    })

  return {
    /** For `withLease`. */
    deps: { leases, name, owner, clock, log },
    elsewhere,
    /** Takes the lease for long enough to begin; null: another process has it. */
    take: (): Promise<Lease | null> => leases.acquire(name, owner, LEASE_MS, clock.now()),
    /** Runs one piece of work under the lease, and `afterwards` before the lease is released. Rejects if another process has it. */
    async once<T>(
      signal: AbortSignal,
      run: (held: HeldLease) => Promise<T>,
      afterwards: (held: HeldLease) => Promise<unknown>,
    ): Promise<T> {
      const done = new AbortController()
      const result = Promise.withResolvers<T>()
      const until = AbortSignal.any([signal, done.signal])
      const leasing = withLease({ leases, name, owner, clock, log, signal: until }, async held => {
        await run(held).then(result.resolve, result.reject)
        await afterwards(held)
        done.abort()
      })
      leasing.then(() => result.reject(elsewhere()))
      return result.promise.finally(() => leasing)
    },
  }
}
