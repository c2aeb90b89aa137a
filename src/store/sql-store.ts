import { auditStore } from './sql/audit.ts'
import { connectionStore } from './sql/connections.ts'
import { deadLetterStore } from './sql/dead-letters.ts'
import { deliveryStore } from './sql/deliveries.ts'
import { endpointStore } from './sql/endpoints.ts'
import { eventStore } from './sql/events.ts'
import { followStore } from './sql/follows.ts'
import { handlerFileStore } from './sql/handler-files.ts'
import { keyStore } from './sql/keys.ts'
import { laneStore } from './sql/lanes.ts'
import { leaseStore } from './sql/leases.ts'
import { offsetStore } from './sql/offsets.ts'
import { orderReadStore } from './sql/order-reads.ts'
import { orderStore } from './sql/orders.ts'
import { backfillStore, reconciliationStore } from './sql/passes.ts'
import { pauseStore } from './sql/pauses.ts'
import { pollRequestStore } from './sql/poll-requests.ts'
import { projectStore } from './sql/projects.ts'
import { pruner } from './sql/prune.ts'
import { quarantineStore } from './sql/quarantine.ts'
import { replayStore } from './sql/replays.ts'
import type { Sql } from './sql/sql.ts'
import type { Store } from './store.ts'

/** The store on either database: `openSqlite` and `openPostgres` open it and hand over what only they know. */
export function createSqlStore(database: {
  sql: Sql
  describe: () => Promise<string>
  close: () => Promise<void>
}): Store {
  const { sql } = database
  let closing: Promise<void> | undefined
  return {
    connections: connectionStore(sql),
    orders: orderStore(sql),
    events: eventStore(sql),
    follows: followStore(sql),
    orderReads: orderReadStore(sql),
    reconciliations: reconciliationStore(sql),
    backfills: backfillStore(sql),
    quarantine: quarantineStore(sql),
    endpoints: endpointStore(sql),
    lanes: laneStore(sql),
    replays: replayStore(sql),
    deliveries: deliveryStore(sql),
    deadLetters: deadLetterStore(sql),
    offsets: offsetStore(sql),
    leases: leaseStore(sql),
    pollRequests: pollRequestStore(sql),
    keys: keyStore(sql),
    projects: projectStore(sql),
    handlerFiles: handlerFileStore(sql),
    pauses: pauseStore(sql),
    audit: auditStore(sql),
    prune: pruner(sql),
    check: database.describe,
    close: () => {
      closing ??= database.close()
      return closing
    },
  }
}
