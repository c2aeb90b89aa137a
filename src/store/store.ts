import type { AlertStore } from './port/alerts.ts'
import type { AuditStore } from './port/audit.ts'
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

/**
 * The port to durable state. One implementation (`sql-store.ts`) on two databases. Every method is one transaction: it happened
 * whole when it resolves, and not at all when it rejects or the process dies. A power failure undoes nothing but, at the end of what was
 * written, acknowledgements, attempts, offsets of the embedded log, parts of a replay (what is done again then was done before) and
 * wishes to read an order again (which reconciliation makes up for).
 * Times are milliseconds since the epoch and passed in.
 * Promises, for every adapter: test/contract/store.ts.
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
  readonly endpoints: EndpointStore
  readonly lanes: LaneStore
  readonly replays: ReplayStore
  readonly deliveries: DeliveryStore
  readonly deadLetters: DeadLetterStore
  readonly offsets: OffsetStore
  readonly leases: LeaseStore
  readonly pollRequests: PollRequestStore
  readonly keys: KeyStore
  readonly projects: ProjectStore
  readonly handlerFiles: HandlerFileStore
  readonly pauses: PauseStore
  readonly alerts: AlertStore
  readonly audit: AuditStore
  /** Retention: deletes what is older than the bounds and is not needed for a delivery any more. In small batches. */
  prune(before: PruneBounds, signal: AbortSignal): Promise<Pruned>
  /** Resolves with a short description of what answered, for `check` and `/readyz`; rejects with an AppError that says what to do. */
  check(): Promise<string>
  close(): Promise<void>
}
