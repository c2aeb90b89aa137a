import type { Vendor } from '../../../schemas/common.ts'
import type { Window } from '../../sources/source.ts'
import type { Lease } from './leases.ts'

export type ConnectionState = 'ok' | 'behind' | 'failing' | 'stopped'

export interface ConnectionRow {
  readonly id: string
  readonly vendor: Vendor
  /** All update times up to here have been read, except those in `gaps`. null: never polled. */
  readonly cursor: number | null
  /** When the first poll was tried, by our clock, successful or not: backfill is measured from here. null: none was tried. */
  readonly firstSeenAt: number | null
  /** The end of the latest window read. Differs from the cursor by as much as the vendor's clock differs from ours. null: never polled. */
  readonly reached: number | null
  /** How far the vendor's clock is ahead of ours, by the `Date` of its answers. null: too little to report. */
  readonly clockAheadMs: number | null
  /** Windows still to be read beside the polls: from a backfill or an outage. */
  readonly gaps: readonly Window[]
  readonly state: ConnectionState
  readonly lastSuccessAt: number | null
  readonly nextPollAt: number | null
  readonly lastError: string | null
  /** What the event log refuses of it, and why; null: nothing. Part of `lastError` as well. */
  readonly refused: string | null
  /** Digest of the configuration. A change starts a stopped connection again. */
  readonly fingerprint: string
  /** When the last inbound webhook came, rounded to a minute. null: none ever. */
  readonly webhookAt: number | null
  /** How many changed orders polls found since then that no webhook announced, and when they found the first. */
  readonly unannounced: number
  readonly unannouncedSince: number | null
}

/** What a poll changes of its connection; absent members stay. Gaps are opened and closed one by one, because polls and backfill run beside each other. */
export type ConnectionPatch = Partial<
  Pick<
    ConnectionRow,
    | 'cursor'
    | 'firstSeenAt'
    | 'reached'
    | 'clockAheadMs'
    | 'state'
    | 'lastSuccessAt'
    | 'nextPollAt'
    | 'lastError'
    | 'refused'
  > & {
    readonly gaps: { readonly closed?: Window; readonly opened: readonly Window[] }
  }
>

export interface ConnectionStore {
  /**
   * Makes rows for the configured connections. A stopped connection whose fingerprint changed becomes `ok` again. `seenAt` becomes
   * `firstSeenAt` where none is stored: absent for a connection that is not enabled.
   */
  configure(connections: readonly { id: string; vendor: Vendor; fingerprint: string; seenAt?: number }[]): Promise<void>
  get(id: string): Promise<ConnectionRow | null>
  list(): Promise<readonly ConnectionRow[]>
  /** Orders tracked and quarantine entries, by connection. Counting may take a moment on large stores; callers cache it. */
  counts(): Promise<ReadonlyMap<string, { orders: number; quarantined: number }>>
  update(lease: Lease, id: string, patch: ConnectionPatch): Promise<void>
  /** An inbound webhook came at this time: resets the count of unannounced orders. Needs no lease: any process may get a webhook. */
  heard(id: string, at: number): Promise<void>
  /** A poll found so many orders that no webhook announced. Counts only where a webhook has ever come. */
  found(lease: Lease, id: string, orders: number, at: number): Promise<void>
}
