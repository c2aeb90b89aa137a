import type { Doubt, OrderSnapshot } from '../../schemas/order.ts'
import type { EventRecord } from '../order/event-record.ts'

/** What the faces (HTTP API, command line) may ask of the working parts. Wired in `app.ts`; a process without that role has null. */

export interface IngestControl {
  /** One poll now, whatever the schedule says; also takes a stopped connection up again. */
  poll(connection: string, options: PollOptions): Promise<PollResult>
  /** These orders as the vendor shows them now; changes nothing. One the vendor does not know is absent. */
  read(connection: string, orders: readonly OrderRef[], signal: AbortSignal): Promise<ReadResult>
  /** The store was asked to have this order read again (`orderReads`): look now, if this process works the connection. */
  refetch(connection: string, orderId: string): void
  /** The store was asked to have a span read again (`backfills`): look now, and work it here where no other process does. */
  backfill(connection: string): void
  /**
   * Publishes what this connection has unpublished. Where it runs, here or in another process, that begins soon; where nobody does, it is done
   * when this resolves.
   */
  publish(connection: string): Promise<void>
  /** Something to poll was registered: look at the schedule again. */
  wake(connection: string): void
  /** null: at least one connection is worked as it should be (each one's own state is in the store); else one sentence. */
  health(): string | null
  /** What is wrong with each connection that this process works, by its id, whether it could be stored or not. Absent: not known here. */
  troubles?(): ReadonlyMap<string, string>
}

export interface PollOptions {
  readonly signal: AbortSignal
  /** Only this order. */
  readonly orderId?: string
  /** Needed with `orderId` where the source asks for buyers and the order is not followed. */
  readonly userId?: string
  /** Derive and return, store and publish nothing. */
  readonly dryRun?: boolean
}

export interface PollResult {
  /** Orders read. */
  readonly orders: number
  /** New events, in publishing order. */
  readonly events: readonly EventRecord[]
  /** Rows or values set aside. */
  readonly quarantined: number
}

/** Which order; the buyer's id is null where the source asks for none. */
interface OrderRef {
  readonly orderId: string
  readonly userId: string | null
}

export interface ReadResult {
  readonly snapshots: readonly OrderSnapshot[]
  /** Orders that cannot be understood, and why. */
  readonly rejects: readonly (Doubt & { readonly orderId: string | null })[]
}
