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
  /** The update times that cannot be read; null: the entry is about an order, a value or a row. */
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

/** A span of update time, one tick of the vendor's clock, whose pages cannot be read. */
export interface QuarantinedSpan extends Window {
  readonly connection: string
  /** When it was first found unreadable. */
  readonly at: number
  readonly reason: string
  /** Failed readings since it was found. */
  readonly tries: number
  /** When to read it again. */
  readonly nextAt: number
}

export interface QuarantineStore {
  /** Newest first. */
  list(filter: { connection?: string; orderId?: string }, paging: Paging): Promise<readonly QuarantineRow[]>
  /** By connection: how many, the earliest, and the reason of the latest. */
  summary(): Promise<readonly { connection: string; count: number; since: number; reason: string }[]>
  /** By connection, path and reason, of the newest 10,000 entries; the largest groups first. */
  groups(limit: number): Promise<readonly QuarantineGroup[]>
  get(id: string): Promise<QuarantineRow | null>
  remove(id: string): Promise<void>
  /** The spans of a connection that cannot be read, oldest update time first. */
  spans(connection: string): Promise<readonly QuarantinedSpan[]>
  /** Makes an entry for a span, or changes its reason, tries and next time; it keeps when it was first found. */
  setSpan(lease: Lease, span: QuarantinedSpan): Promise<void>
  /** The span could be read. */
  removeSpan(lease: Lease, span: Pick<QuarantinedSpan, 'connection' | 'from' | 'to'>): Promise<void>
  /** Makes the span of this entry due now. Needs no lease: any process may be asked. */
  makeDue(id: string, now: number): Promise<void>
}
