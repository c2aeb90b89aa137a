import type { Doubt, OrderSnapshot } from '../../schemas/order.ts'
import type { EventRecord } from '../order/event-record.ts'

/** What the API and the command line may ask of ingest. Wired in `app.ts`; a process without the role has null. */

export interface IngestControl {
  /** Polls now, whatever the schedule says. Also starts a stopped connection again. */
  poll(connection: string, options: PollOptions): Promise<PollResult>
  /** Reads these orders from the vendor; changes nothing. An order that the vendor does not know is absent. */
  read(connection: string, orders: readonly OrderRef[], signal: AbortSignal): Promise<ReadResult>
  /** The store has a request to read this order (`orderReads`): look now, if this process works the connection. */
  refetch(connection: string, orderId: string): void
  /** The store has a request for a backfill (`backfills`): look now, and work on it here if no other process does. */
  backfill(connection: string): void
  /**
   * Publishes the unpublished events of this connection. If a process works it, publishing begins there soon; else it is done when this
   * resolves.
   */
  publish(connection: string): Promise<void>
  /** A follow was added: look at the schedule again. */
  wake(connection: string): void
  /** null: at least one connection works (the store has the state of each); else one sentence. */
  health(): string | null
  /** What is wrong with each connection worked here, by its id, stored or not. Absent: not known here. */
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
  /** Rows and values that went to quarantine. */
  readonly quarantined: number
}

/** Which order; the buyer's id is null where the source asks for none. */
export interface OrderRef {
  readonly orderId: string
  readonly userId: string | null
}

export interface ReadResult {
  readonly snapshots: readonly OrderSnapshot[]
  /** Orders that cannot be understood, and why. The name is part of the answers between processes of different versions. */
  readonly rejects: readonly (Doubt & { readonly orderId: string | null })[]
}
