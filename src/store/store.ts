import type { AlertStore } from './port/alerts.ts'
import type { ConnectionStore } from './port/connections.ts'
import type { DeadLetterStore } from './port/dead-letters.ts'
import type { DeliveryStore } from './port/deliveries.ts'
import type { EndpointStore } from './port/endpoints.ts'
import type { EventStore } from './port/events.ts'
import type { FollowStore } from './port/follows.ts'
import type { HandlerFileStore } from './port/handler-files.ts'
import type { KeyStore } from './port/keys.ts'
import type { LaneStore } from './port/lanes.ts'
import type { LeaseStore } from './port/leases.ts'
import type { OffsetStore } from './port/offsets.ts'
import type { OrderReadStore } from './port/order-reads.ts'
import type { OrderStore } from './port/orders.ts'
import type { BackfillStore, ReconciliationStore } from './port/passes.ts'
import type { PauseStore } from './port/pauses.ts'
import type { PollRequestStore } from './port/poll-requests.ts'
import type { ProjectStore } from './port/projects.ts'
import type { QuarantineStore } from './port/quarantine.ts'
import type { ReplayStore } from './port/replays.ts'
import type { PruneBounds, Pruned } from './port/retention.ts'
import type { SessionStore } from './port/sessions.ts'
import type { UnnamedWindowStore } from './port/unnamed-windows.ts'
import type { VerifyStore } from './port/verify.ts'

/**
 * The port to durable state. One implementation (`sql/sql-store.ts`) on two databases; `test/contract/store.ts` holds its promises.
 * Every method is one transaction: complete when it resolves, undone when it rejects or the process dies. Times are passed in, in
 * milliseconds since the epoch.
 * A power failure may undo the latest acknowledgements, attempts, offsets of the embedded log, parts of a replay (all are done again)
 * and requests to read an order again (reconciliation makes up for them). It undoes nothing else.
 */
export interface Store {
  readonly connections: ConnectionStore
  readonly orders: OrderStore
  readonly events: EventStore
  readonly follows: FollowStore
  readonly orderReads: OrderReadStore
  readonly reconciliations: ReconciliationStore
  readonly backfills: BackfillStore
  readonly quarantine: QuarantineStore
  readonly unnamedWindows: UnnamedWindowStore
  readonly endpoints: EndpointStore
  readonly lanes: LaneStore
  readonly replays: ReplayStore
  readonly deliveries: DeliveryStore
  readonly deadLetters: DeadLetterStore
  readonly offsets: OffsetStore
  readonly leases: LeaseStore
  readonly pollRequests: PollRequestStore
  readonly keys: KeyStore
  readonly sessions: SessionStore
  readonly projects: ProjectStore
  readonly handlerFiles: HandlerFileStore
  readonly pauses: PauseStore
  readonly alerts: AlertStore
  readonly verify: VerifyStore
  /** Retention: deletes in small batches what is older than the bounds and no delivery needs any more. */
  prune(before: PruneBounds, signal: AbortSignal): Promise<Pruned>
  /** On the disk, in bytes, with what was not yet written to its place. */
  size(): Promise<number>
  /** Resolves with a short description of the database, for `check` and `/readyz`. Rejects with an AppError that says what to do. */
  check(): Promise<string>
  close(): Promise<void>
}
