/** The right to work on something, for one process at a time. Every write under a lease checks its epoch, so a former holder changes nothing. */
export interface Lease {
  readonly name: string
  readonly owner: string
  /** Grows by one each time the lease changes hands. */
  readonly epoch: number
}

export interface LeaseStore {
  /** The lease, if it is free, expired or already ours; else null. Uses the database's clock if it has one, else `now`. */
  acquire(name: string, owner: string, ttlMs: number, now: number): Promise<Lease | null>
  /** False: it is no longer ours. */
  renew(lease: Lease, ttlMs: number, now: number): Promise<boolean>
  release(lease: Lease): Promise<void>
}

/** Thrown (code `store.lease_lost`, intent `stop`) by writes whose lease has passed to another. */
export const LEASE_LOST = 'store.lease_lost'
