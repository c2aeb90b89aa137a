import { backfillRoutes } from './backfills.ts'
import { connectionRoutes } from './connections.ts'
import { consoleRoutes } from './console/page.ts'
import { deadLetterRoutes } from './dead-letters.ts'
import { deliveryRoutes } from './deliveries.ts'
import type { ApiDeps } from './deps.ts'
import { destinationActionRoutes } from './destination-actions.ts'
import { destinationRoutes } from './destinations.ts'
import { documentRoutes } from './documents.ts'
import { endpointRoutes } from './endpoints.ts'
import { eventRoutes } from './events.ts'
import { healthRoutes } from './health.ts'
import { hookRoutes } from './hooks.ts'
import type { Keyring } from './keyring.ts'
import { keyRoutes } from './keys.ts'
import { createKnown } from './known.ts'
import { orderRoutes } from './orders.ts'
import { quarantineRoutes } from './quarantine.ts'
import { resendRoutes } from './replays.ts'
import { republishRoutes } from './republish.ts'
import type { Route } from './route.ts'
import { streamRoutes } from './stream.ts'
import { verifyRoutes } from './verify.ts'

/** Every call of the API, in the order in which they are matched. */
export function allRoutes(deps: ApiDeps & { keyring: Keyring }): Route[] {
  const known = createKnown(deps)
  const routes: Route[] = [
    ...healthRoutes(deps),
    ...connectionRoutes(deps),
    ...backfillRoutes(deps),
    ...orderRoutes(deps),
    ...streamRoutes({ ...deps, known }),
    ...republishRoutes({ ...deps, known }),
    ...eventRoutes({ ...deps, known }),
    ...endpointRoutes({ ...deps, known }),
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
    ...consoleRoutes(),
  ]
  return routes
}
