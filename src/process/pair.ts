import { type HeldLease, withLease } from '../ingest/lease.ts'
import type { Clock } from '../lib/clock.ts'
import type { Lease, LeaseStore } from '../store/port/leases.ts'
import type { Log } from '../telemetry/log.ts'

/** Two whole processes on one PostgreSQL without Kafka: the holder of a lease works, the other one stands by and takes over. */
export interface Pair {
  /** The last lease under which this process worked; null: it never did. */
  lease(): Lease | null
  /** False: the lease may have passed to the other process. */
  isFresh(): boolean
  /** The other process works. Always false before `run`. */
  standsBy(): boolean
  /** Works whenever this process holds the lease. If the work fails, the lease goes to the other process, and this rejects. */
  run(work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void>
}

export function createPair(deps: {
  leases: Omit<LeaseStore, 'takeOver' | 'list'>
  owner: string
  clock: Clock
  log: Log
}): Pair {
  let held: HeldLease | null = null
  let standsBy = false
  return {
    lease: () => held?.lease ?? null,
    isFresh: () => held?.isFresh() ?? true,
    standsBy: () => standsBy,
    async run(work, signal) {
      standsBy = true
      const failure = new AbortController()
      const until = AbortSignal.any([signal, failure.signal])
      await withLease({ ...deps, name: 'process', signal: until }, async taken => {
        held = taken
        standsBy = false
        try {
          await work(taken.signal)
        } catch (error) {
          failure.abort(error)
        } finally {
          standsBy = true
        }
      })
      failure.signal.throwIfAborted()
    },
  }
}
