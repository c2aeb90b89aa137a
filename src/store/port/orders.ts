import type { Doubt, OrderSnapshot } from '../../../schemas/order.ts'
import type { EventRecord } from '../../order/event-record.ts'
import type { OrderState } from '../../order/state.ts'
import type { Lease } from './leases.ts'

export interface OrderRow {
  readonly connection: string
  readonly orderId: string
  /** The buyer's id where its source asks for it. */
  readonly userId: string | null
  /** Digest of the row as the feed showed it. The same digest again means that nothing has changed. */
  readonly digest: string
  readonly state: OrderState
  readonly snapshot: OrderSnapshot
  /** When it was last changed, by our clock. */
  readonly observedAt: number
  /** When it must be read again although nothing changed (a refund without its record yet). null: it need not. */
  readonly recheckAt: number | null
}

/** An order that is due to be read again, with what its request needs. */
type DueOrder = Pick<OrderRow, 'orderId' | 'userId'> & { readonly recheckAt: number }

/** One page of a poll, stored in one transaction. */
export interface PageCommit {
  readonly connection: string
  readonly orders: readonly OrderRow[]
  /** In the order they are to be published. */
  readonly events: readonly EventRecord[]
  /** The commit itself publishes the events. False: the event log takes them later (`events.unpublished`). */
  readonly published: boolean
  /** The quarantine entries of each order (orderId null: of a row without an id). They replace the entries that were there. */
  readonly quarantine: readonly { orderId: string | null; entries: readonly Doubt[]; at: number }[]
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
  /** Digest and recheck time only, to drop unchanged orders. Fast for a whole page. */
  digests(
    connection: string,
    orderIds: readonly string[],
  ): Promise<ReadonlyMap<string, { digest: string; recheckAt: number | null }>>
  get(connection: string, orderId: string): Promise<OrderRow | null>
  /** Orders whose recheck time has come, earliest first. */
  due(connection: string, now: number, limit: number): Promise<readonly DueOrder[]>
  /** Moves the recheck times of orders, and nothing else of them. Takes orders as they were read: a time that was set since stays. */
  postpone(lease: Lease, connection: string, orders: readonly (DueOrder & { next: number })[]): Promise<void>
  /**
   * Writes a page in one transaction. Events that the state of their order does not know yet are removed, with what waits of them: the
   * store went back behind the event log, and a spill put them back. The new ones replace them.
   */
  commit(lease: Lease, page: PageCommit): Promise<void>
}
