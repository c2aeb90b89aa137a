import type { EventType } from '../../../schemas/order-event.ts'
import type { EventRecord } from '../../order/event-record.ts'
import type { Lease } from './leases.ts'
import type { Paging } from './paging.ts'

export interface EventFilter {
  readonly types?: readonly EventType[]
  readonly connections?: readonly string[]
  readonly orderId?: string
  /** This one event. */
  readonly eventId?: string
  /** Bounds of `observedAt`, milliseconds: since inclusive, until exclusive. */
  readonly since?: number
  readonly until?: number
  /** Bounds of the place in the history (`n`): `through` inclusive, `behind` exclusive. */
  readonly through?: number
  readonly behind?: number
}

export interface StoredEvent extends EventRecord {
  /** Place in the history. Grows with every event; a reader that goes on from `after` misses none. */
  readonly n: number
}

export interface EventRate {
  readonly at: number
  readonly type: EventType
  readonly count: number
}

interface UnpublishedPart {
  readonly after?: number
  readonly orderIds?: readonly string[]
}

export interface EventStore {
  /** Oldest first; with `newest`, newest first. */
  list(filter: EventFilter, paging: Paging & { newest?: boolean }): Promise<readonly StoredEvent[]>
  /** As `list`, oldest first, without what the events say: a fraction of the cost. */
  places(filter: EventFilter, paging: Paging): Promise<readonly Pick<StoredEvent, 'n' | 'orderKey'>[]>
  count(filter: EventFilter): Promise<number>
  get(id: string): Promise<StoredEvent | null>
  ofOrder(connection: string, orderId: string): Promise<readonly StoredEvent[]>
  /** How many were observed in each span of `bucketMs` from `since` on and before `until`, by type. `at`: where a span begins. */
  rates(asked: {
    readonly since: number
    readonly until: number
    readonly bucketMs: number
  }): Promise<readonly EventRate[]>
  /** The highest `n` there is; 0 when empty. */
  last(): Promise<number>
  /** Unpublished events of one connection behind `after` (a place in the history), in publishing order. `orderIds`: of these orders only. */
  unpublished(connection: string, limit: number, part?: UnpublishedPart): Promise<readonly StoredEvent[]>
  /**
   * Makes events observed in the span unpublished again, order by order: at most `orders` orders, those behind the order id `after`
   * ('' at first). `last`: the order id to go on behind. null: that was all.
   */
  unpublish(asked: {
    readonly connection: string
    /** Milliseconds: since inclusive, until exclusive. */
    readonly since: number
    readonly until?: number
    readonly after: string
    readonly orders: number
  }): Promise<{ readonly events: number; readonly last: string | null }>
  /** Replaces the body of an unpublished event. False: it is published already, and nothing changed. */
  replaceUnpublished(lease: Lease, n: number, body: string): Promise<boolean>
  /** The event log has these events of the connection (places in the history). To be called only once it has confirmed them. */
  markPublished(lease: Lease, connection: string, ns: readonly number[]): Promise<void>
}
