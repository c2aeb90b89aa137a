import type { Doubt, OrderSnapshot } from '../../../schemas/order.ts'
import type { EventRecord } from '../../order/event-record.ts'
import type { OrderState } from '../../order/state.ts'
import type { Lease } from './leases.ts'

export interface OrderRow {
  readonly connection: string
  readonly orderId: string
  /** The buyer's id where the vendor needs it (Tuya). */
  readonly userId: string | null
  /** Digest of the row as the feed showed it; the same digest again means: nothing to do. */
  readonly digest: string
  readonly state: OrderState
  readonly snapshot: OrderSnapshot
  /** When it was last changed, by our clock. */
  readonly observedAt: number
  /** When it must be read again although nothing changed (a refund that is not yet on record); null: not. */
  readonly recheckAt: number | null
}

/** An order that is to be read again: what it takes to ask for it, and since when. */
type DueOrder = Pick<OrderRow, 'orderId' | 'userId'> & { readonly recheckAt: number }

/** One page of one round, as one transaction. */
export interface PageCommit {
  readonly connection: string
  readonly orders: readonly OrderRow[]
  /** In the order they are to be published. */
  readonly events: readonly EventRecord[]
  /** Milliseconds; null: the event log takes them later (`events.unpublished`). */
  readonly publishedAt: number | null
  /** For each order (or, with orderId null, each row without an id): all that is not understood of it now; replaces what was there. */
  readonly doubts: readonly { orderId: string | null; entries: readonly Doubt[]; at: number }[]
}

/** What orders are looked for by. */
export interface OrderSearch {
  /** An order number or an id, or how one begins; absent: all. */
  readonly text?: string
  readonly connection?: string
}

export interface OrderStore {
  /** Those whose number begins with the text, by number, then those whose id does, by id. `next` is what `after` takes for the page behind. */
  find(
    search: OrderSearch,
    paging: { limit: number; after?: string },
  ): Promise<{ data: readonly OrderRow[]; next: string | null }>
  /** Orders of exactly this number, at most 20. */
  idsOfNumber(
    number: string,
    connection?: string,
  ): Promise<readonly { readonly connection: string; readonly orderId: string }[]>
  /** Known orders among these ids. */
  load(connection: string, orderIds: readonly string[]): Promise<ReadonlyMap<string, OrderRow>>
  /** Only what is needed to drop the unchanged: digest and recheck time. Fast for a whole page. */
  digests(
    connection: string,
    orderIds: readonly string[],
  ): Promise<ReadonlyMap<string, { digest: string; recheckAt: number | null }>>
  get(connection: string, orderId: string): Promise<OrderRow | null>
  /** Orders whose recheck time has come, earliest first. */
  due(connection: string, now: number, limit: number): Promise<readonly DueOrder[]>
  /** Moves the recheck times of orders, given as they were read: one that has been set since stays. Nothing else of an order changes. */
  postpone(lease: Lease, connection: string, orders: readonly (DueOrder & { next: number })[]): Promise<void>
  commit(lease: Lease, page: PageCommit): Promise<void>
}
