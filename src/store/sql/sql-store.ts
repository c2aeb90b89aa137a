import type { Store } from '../store.ts'
import { alertStore } from './alerts.ts'
import { connectionStore } from './connections.ts'
import { deadLetterStore } from './dead-letters.ts'
import { deliveryStore } from './deliveries.ts'
import { endpointStore } from './endpoints.ts'
import { eventStore } from './events.ts'
import { followStore } from './follows.ts'
import { handlerFileStore } from './handler-files.ts'
import { keyStore } from './keys.ts'
import { laneStore } from './lanes.ts'
import { leaseStore } from './leases.ts'
import { offsetStore } from './offsets.ts'
import { orderReadStore } from './order-reads.ts'
import { orderStore } from './orders.ts'
import { backfillStore, reconciliationStore } from './passes.ts'
import { pauseStore } from './pauses.ts'
import { pollRequestStore } from './poll-requests.ts'
import { projectStore } from './projects.ts'
import { pruner } from './prune.ts'
import { quarantineStore } from './quarantine.ts'
import { replayStore } from './replays.ts'
import { sessionStore } from './sessions.ts'
import type { Sql } from './sql.ts'
import { unnamedWindowStore } from './unnamed-windows.ts'
import { verifyStore } from './verify.ts'

/** The store on either database. `openSqlite` and `openPostgres` open it and pass what differs. */
export function createSqlStore(database: {
  sql: Sql
  describe: () => Promise<string>
  size: () => Promise<number>
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
    unnamedWindows: unnamedWindowStore(sql),
    endpoints: endpointStore(sql),
    lanes: laneStore(sql),
    replays: replayStore(sql),
    deliveries: deliveryStore(sql),
    deadLetters: deadLetterStore(sql),
    offsets: offsetStore(sql),
    leases: leaseStore(sql),
    pollRequests: pollRequestStore(sql),
    keys: keyStore(sql),
    sessions: sessionStore(sql),
    projects: projectStore(sql),
    handlerFiles: handlerFileStore(sql),
    pauses: pauseStore(sql),
    alerts: alertStore(sql),
    verify: verifyStore(sql),
    prune: pruner(sql),
    check: database.describe,
    size: database.size,
    close: () => {
      closing ??= database.close()
      return closing
    },
  }
}
