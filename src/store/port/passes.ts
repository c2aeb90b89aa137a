import type { Window } from '../../sources/source.ts'
import type { Lease } from './leases.ts'

/** A span of creation or update time, milliseconds by the vendor's clock. */
export interface Span extends Window {
  readonly by: 'created' | 'updated'
}

/** How far a span is read again (by a reconciliation or a backfill). */
export interface Progress {
  readonly beganAt: number
  /** Still to be read. */
  readonly spans: readonly Span[]
  /** The length of all spans when reading began, milliseconds. */
  readonly wholeMs: number
  readonly pages: number
  /** Orders read. */
  readonly orders: number
  /** Events published that no poll had found. */
  readonly events: number
}

export interface Reconciliation {
  readonly connection: string
  /** Unknown orders last changed before this are from before the connection was set up. */
  readonly origin: number
  readonly nextAt: number
  /** null: none is running. */
  readonly running: Progress | null
  /** The last complete one; null: none yet. */
  readonly last: { readonly at: number; readonly orders: number; readonly events: number } | null
  /** Why the running one is stuck. null: it goes on. */
  readonly error: string | null
}

export interface ReconciliationStore {
  get(connection: string): Promise<Reconciliation | null>
  list(): Promise<readonly Reconciliation[]>
  put(lease: Lease, row: Reconciliation): Promise<void>
}

/** A backfill on request: a span to be read again. */
export interface Backfill {
  readonly id: string
  readonly connection: string
  readonly since: number
  /** null: up to the vendor's present. */
  readonly until: number | null
  readonly askedAt: number
  /** null: not begun. */
  readonly progress: Progress | null
  readonly endedAt: number | null
  /** Why it is stuck. null: it goes on. */
  readonly error: string | null
}

export interface BackfillStore {
  /** Needs no lease. Also forgets backfills that ended before `forgetBefore`. */
  add(
    backfill: Pick<Backfill, 'id' | 'connection' | 'since' | 'until' | 'askedAt'>,
    forgetBefore: number,
  ): Promise<void>
  get(id: string): Promise<Backfill | null>
  /** Of one connection, latest first. */
  list(connection: string, limit: number): Promise<readonly Backfill[]>
  /** The one to work on: the earliest that has not ended. */
  next(connection: string): Promise<Backfill | null>
  /** Which of these connections have one that has not ended. */
  waiting(connections: readonly string[]): Promise<readonly string[]>
  save(lease: Lease, backfill: Pick<Backfill, 'id' | 'progress' | 'endedAt' | 'error'>): Promise<void>
}
