import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Lease, LeaseStore } from '../store/port/leases.ts'
import type { Log } from '../telemetry/log.ts'
import { type HeldLease, withLease } from './lease.ts'

const TAKEN_MS = 15_000

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

  /** Takes the lease for long enough to begin; null: another process has it. */
  const take = (): Promise<Lease | null> => leases.acquire(name, owner, TAKEN_MS, clock.now())

  return {
    /** For `withLease`. */
    deps: { leases, name, owner, clock, log },
    elsewhere,
    take,
    /** Whether nobody works the connection now. If so, takes its lease. */
    isFree: async (): Promise<boolean> => (await take()) !== null,
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
