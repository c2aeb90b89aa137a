import type { Window } from '../../sources/source.ts'
import type { Lease } from './leases.ts'
import type { Paging } from './paging.ts'

export interface QuarantineRow {
  readonly n: number
  readonly id: string
  readonly connection: string
  readonly orderId: string | null
  /** When it was first seen. */
  readonly at: number
  readonly reason: string
  readonly path: string
  readonly value: string
  /** The update times that are read again; null: the entry is about an order, a value or a row. */
  readonly span: Window | null
}

/** Entries of one connection that say the same of the same place. */
interface QuarantineGroup {
  readonly connection: string
  readonly path: string
  readonly reason: string
  readonly count: number
  readonly firstAt: number
  readonly lastAt: number
}

/**
 * A span of update time that is read again later. `unreadable`: no page of it can be read; it is one tick of the vendor's clock.
 * `unnamed`: it was read, and rows of it had no readable order id.
 */
export interface QuarantinedSpan extends Window {
  readonly connection: string
  readonly kind: 'unreadable' | 'unnamed'
  /** When it was first found. */
  readonly at: number
  readonly reason: string
  /** Failed readings since it was found. */
  readonly tries: number
  /** When to read it again; null: only on request. */
  readonly nextAt: number | null
}

export type SpanKey = Pick<QuarantinedSpan, 'connection' | 'kind' | 'from' | 'to'>

export interface QuarantineStore {
  /** Newest first. */
  list(filter: { connection?: string; orderId?: string }, paging: Paging): Promise<readonly QuarantineRow[]>
  /** By connection: how many, the earliest, and the reason of the latest. */
  summary(): Promise<readonly { connection: string; count: number; since: number; reason: string }[]>
  /** By connection, path and reason; the largest groups first. */
  groups(limit: number): Promise<readonly QuarantineGroup[]>
  get(id: string): Promise<QuarantineRow | null>
  remove(id: string): Promise<void>
  /** The spans of a connection, oldest update time first. */
  spans(connection: string): Promise<readonly QuarantinedSpan[]>
  /** Makes an entry for a span, or changes its reason, tries and next time; it keeps when it was first found. */
  setSpan(lease: Lease, span: QuarantinedSpan): Promise<void>
  /** The span could be read. */
  removeSpan(lease: Lease, span: SpanKey): Promise<void>
  /** Makes the span of this entry due now. Needs no lease: any process may be asked. */
  makeDue(id: string, now: number): Promise<void>
}
