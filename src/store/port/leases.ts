import { AppError } from '../../lib/errors.ts'

/** The right to work on something, for one process at a time. Every write under a lease checks its epoch, so a former holder changes nothing. */
export interface Lease {
  readonly name: string
  readonly owner: string
  /** Grows by one each time the lease changes hands. */
  readonly epoch: number
}

/** A lease that somebody holds. */
export interface HeldLease extends Lease {
  /** null: until another takes it over. */
  readonly expiresAt: number | null
}

export interface LeaseStore {
  /** Those that are held, by name. One that has expired is held until another takes it. */
  list(): Promise<readonly HeldLease[]>
  /** The lease, if it is free, expired or already ours; else null. Uses the database's clock if it has one, else `now`. */
  acquire(name: string, owner: string, ttlMs: number, now: number): Promise<Lease | null>
  /** False: it is no longer ours. */
  renew(lease: Lease, ttlMs: number, now: number): Promise<boolean>
  release(lease: Lease): Promise<void>
  /**
   * Takes the lease from whoever has it: for a right that somebody else grants, such as a partition of a consumer group. Its epoch grows
   * each time, and it lasts until it is taken over again.
   */
  takeOver(name: string, owner: string): Promise<Lease>
}

/** Thrown (code `store.lease_lost`, intent `stop`) by writes whose lease has passed to another. */
export const LEASE_LOST = 'store.lease_lost'

/** Checks the code, not the intent `stop`: a log that refuses our credentials has that intent too. */
export const isLeaseLost = (error: unknown): boolean => error instanceof AppError && error.code === LEASE_LOST
