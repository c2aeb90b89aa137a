import type { Vendor } from '../../../schemas/common.ts'
import type { Window } from '../../sources/source.ts'
import type { Lease } from './leases.ts'

export type ConnectionState = 'ok' | 'behind' | 'failing' | 'stopped'

export interface ConnectionRow {
  readonly id: string
  readonly vendor: Vendor
  /** Everything of update time up to here has been read, but for `gaps`; null: never polled. */
  readonly cursor: number | null
  /** Where the first look back begins, by our clock: when the first poll was tried, whether it went well or not; null: none was tried. */
  readonly firstSeenAt: number | null
  /** The end of the latest window read. It is past the cursor by as much as the vendor's clock and ours differ; null: never polled. */
  readonly reached: number | null
  /** How far the vendor's clock is ahead of ours, by the `Date` of its answers; null: less than what is worth saying. */
  readonly clockAheadMs: number | null
  /** Windows still to be read beside the polls: backfill, and what an outage left. */
  readonly gaps: readonly Window[]
  readonly state: ConnectionState
  readonly lastSuccessAt: number | null
  readonly nextPollAt: number | null
  readonly lastError: string | null
  /** What the event log refuses of it, and why; null: nothing. Part of `lastError` as well. */
  readonly refused: string | null
  /** Digest of the configuration; a change takes a stopped connection up again. */
  readonly fingerprint: string
  /** When the last inbound webhook came, to a minute; null: none ever. */
  readonly webhookAt: number | null
  /** Changed orders that polls found since then without a word from the vendor, and when the first of them. */
  readonly unannounced: number
  readonly unannouncedSince: number | null
}

/** What a round changes of its connection; absent members stay. Gaps come and go one by one: polls and backfill run beside each other. */
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
  /** Makes rows for the configured connections; one whose fingerprint changed and that was stopped becomes `ok` again. */
  configure(connections: readonly { id: string; vendor: Vendor; fingerprint: string }[]): Promise<void>
  get(id: string): Promise<ConnectionRow | null>
  list(): Promise<readonly ConnectionRow[]>
  /** Orders tracked and quarantine entries, by connection. Counting may take a moment on large stores; callers cache it. */
  counts(): Promise<ReadonlyMap<string, { orders: number; quarantined: number }>>
  update(lease: Lease, id: string, patch: ConnectionPatch): Promise<void>
  /** An inbound webhook came at this time: what polls found alone before counts no more. Needs no lease: any process may get one. */
  heard(id: string, at: number): Promise<void>
  /** A poll found so many changed orders by itself; counts only where a webhook has ever come. */
  found(lease: Lease, id: string, orders: number, at: number): Promise<void>
}
