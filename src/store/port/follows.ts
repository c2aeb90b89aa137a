import type { Lease } from './leases.ts'
import type { Paging } from './paging.ts'

export interface Follow {
  readonly connection: string
  readonly kind: 'order' | 'user'
  /** Order id or user id. */
  readonly id: string
  /** The buyer of a followed order; for kind `user` the id itself. */
  readonly userId: string | null
  /** When to read it next, and the promised delay between two readings. */
  readonly nextAt: number
  readonly everyMs: number
  /** When it last changed, by our clock. */
  readonly changedAt: number
}

export interface FollowStore {
  /** Adds or updates; an existing follow becomes due at `now`. */
  put(connection: string, kind: Follow['kind'], id: string, userId: string | null, now: number): Promise<void>
  /** Earliest first. */
  due(connection: string, now: number, limit: number): Promise<readonly Follow[]>
  /** Makes all follows of a connection due; returns how many there are. */
  wake(connection: string, now: number): Promise<number>
  /** Takes follows as they were read, with the new values. A follow that was put or woken since stays due. */
  reschedule(lease: Lease, follows: readonly (Follow & { next: number })[]): Promise<void>
  count(connection: string): Promise<number>
  list(connection: string, paging: Paging): Promise<readonly (Follow & { n: number })[]>
}
