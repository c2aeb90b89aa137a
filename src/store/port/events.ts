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
  /** No event behind this place in the history (`n`), and only events behind this one. */
  readonly through?: number
  readonly behind?: number
}

export interface StoredEvent extends EventRecord {
  /** Place in the history; grows with every event, and is never seen out of order by `after`. */
  readonly n: number
}

interface UnpublishedPart {
  readonly after?: number
  readonly orderIds?: readonly string[]
}

export interface EventStore {
  /** Oldest first by default, `newest` turns it around. */
  list(filter: EventFilter, paging: Paging & { newest?: boolean }): Promise<readonly StoredEvent[]>
  count(filter: EventFilter): Promise<number>
  get(id: string): Promise<StoredEvent | null>
  ofOrder(connection: string, orderId: string): Promise<readonly StoredEvent[]>
  /** The highest `n` there is; 0 when empty. */
  last(): Promise<number>
  /** Of one connection, in publishing order: those behind `after` (a place in the history), of these orders only where `orderIds` is given. */
  unpublished(connection: string, limit: number, part?: UnpublishedPart): Promise<readonly StoredEvent[]>
  /**
   * Makes published events unpublished again: those observed in the span, of at most `orders` orders of the connection behind `after` by order id
   * ('' at first). All of one order at once. `last`: the order id to go on behind; null: that was all.
   */
  unpublish(asked: {
    readonly connection: string
    /** Milliseconds: since inclusive, until exclusive. */
    readonly since: number
    readonly until?: number
    readonly after: string
    readonly orders: number
  }): Promise<{ readonly events: number; readonly last: string | null }>
  /** Gives an event another body, unless it is published already: then nothing changes and the answer is false. */
  replaceUnpublished(lease: Lease, n: number, body: string): Promise<boolean>
  markPublished(lease: Lease, ns: readonly number[], at: number): Promise<void>
}
