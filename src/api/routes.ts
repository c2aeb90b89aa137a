import type { Keyring } from './auth/keyring.ts'
import type { ApiDeps } from './deps.ts'
import { createKnownIds } from './known-ids.ts'
import type { LatestAttempts } from './latest-attempts.ts'
import type { Route } from './route.ts'
import { attentionRoutes } from './routes/attention.ts'
import { backfillRoutes } from './routes/backfills.ts'
import { createConnections } from './routes/connections.ts'
import { deadLetterRoutes } from './routes/dead-letters.ts'
import { deliveryRoutes } from './routes/deliveries.ts'
import { destinationActionRoutes } from './routes/destination-actions.ts'
import { destinationRoutes } from './routes/destinations.ts'
import { documentRoutes } from './routes/documents.ts'
import { endpointLinkRoutes } from './routes/endpoint-links.ts'
import { endpointRoutes } from './routes/endpoints.ts'
import { streamRoutes } from './routes/event-stream.ts'
import { eventRoutes } from './routes/events.ts'
import { filterRoutes } from './routes/filters.ts'
import { healthRoutes } from './routes/health.ts'
import { hookRoutes } from './routes/hooks.ts'
import { keyRoutes } from './routes/keys.ts'
import { orderRoutes } from './routes/orders.ts'
import { quarantineRoutes } from './routes/quarantine.ts'
import { republishRoutes } from './routes/republish.ts'
import { resendRoutes } from './routes/resend.ts'
import { verifyRoutes } from './routes/verification.ts'

/** All calls of the API, in matching order. */
export function allRoutes(deps: ApiDeps & { keyring: Keyring; latest: LatestAttempts }): Route[] {
  const known = createKnownIds(deps)
  const connections = createConnections(deps)
  const routes: Route[] = [
    ...healthRoutes(deps),
    ...attentionRoutes({ ...deps, known, connections: connections.list }),
    ...connections.routes,
    ...backfillRoutes(deps),
    ...orderRoutes({ ...deps, known }),
    ...filterRoutes({ ...deps, known }),
    ...streamRoutes({ ...deps, known }),
    ...republishRoutes({ ...deps, known }),
    ...eventRoutes({ ...deps, known }),
    ...endpointRoutes({ ...deps, known }),
    ...endpointLinkRoutes(deps),
    ...resendRoutes({ ...deps, known }),
    ...destinationRoutes({ ...deps, known }),
    ...destinationActionRoutes({ ...deps, known }),
    ...deliveryRoutes({ ...deps, known }),
    ...deadLetterRoutes({ ...deps, known }),
    ...quarantineRoutes({ ...deps, known }),
    ...verifyRoutes({ ...deps, known }),
    ...keyRoutes(deps),
    ...hookRoutes(deps),
    ...documentRoutes(() => routes),
    ...(deps.console?.routes ?? []),
  ]
  return routes
}
