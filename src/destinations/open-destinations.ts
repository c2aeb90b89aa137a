import { type Config, deliveryOf } from '../../schemas/config.ts'
import type { LoadedConfig } from '../config/config-file.ts'
import type { Destination } from '../dispatch/destination.ts'
import type { Clock } from '../lib/clock.ts'
import type { SecretBox } from '../lib/secret-box.ts'
import { VERSION } from '../lib/version.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import { handlersAtWork } from './handlers/at-work.ts'
import { retryChangedHandlers } from './handlers/changed-handlers.ts'
import { openHandlers } from './handlers/open-handlers.ts'
import { declareEndpoints } from './webhooks/declared-endpoints.ts'
import { createGuard, type Guard } from './webhooks/egress.ts'
import { createSender } from './webhooks/send.ts'
import { createEndpoints, type Endpoints } from './webhooks/webhooks.ts'

/** Both kinds of destinations of this process. */
export interface Destinations extends Pick<Endpoints, 'disable' | 'test'> {
  /** All handlers and endpoints, as the store has them now. */
  load(): Promise<readonly Destination[]>
  readonly checkUrl: Guard['checkUrl']
  /** Makes the lanes of handlers due whose files changed since the last start. */
  retryChanged(wake: () => void, signal: AbortSignal): Promise<void>
  /** Handlers that may have blocked the event loop. */
  suspects(): readonly string[]
  readonly opened: readonly { close(): Promise<unknown> }[]
}

export async function openDestinations(deps: {
  loaded: LoadedConfig
  /** With the addresses of the sandbox, if it runs. */
  config: Config
  store: Store
  box: SecretBox
  /** Other processes may use the same store. */
  shared: boolean
  /** Stores the endpoints of the configuration. */
  declare: boolean
  clock: Clock
  log: Log
}): Promise<Destinations> {
  const { loaded, config, store, box, shared, clock, log } = deps
  const guard = createGuard({ allow: config.network.allow })
  if (deps.declare) {
    const { endpoints } = store
    await declareEndpoints({ declared: config.endpoints, endpoints, shared, box, guard, clock, log })
  }
  const handlers = await openHandlers(loaded, { delivery: deliveryOf(config.delivery), clock, log })
  const { proxies, certificates } = loaded
  const sender = createSender({ guard, clock, proxy: proxies.webhooks, certificates })
  const endpoints = createEndpoints({
    ...{ endpoints: store.endpoints, deliveries: store.deliveries, delivery: config.delivery },
    ...{ box, sender, clock, log, version: VERSION },
  })
  return {
    load: async () => [...withPauses(handlers, await store.pauses.list()), ...(await endpoints.load())],
    disable: endpoints.disable,
    test: endpoints.test,
    checkUrl: guard.checkUrl,
    retryChanged: (wake, signal) => retryChangedHandlers({ handlers, store, wake, clock, log, signal }),
    suspects: handlersAtWork.suspects,
    opened: [sender, ...handlers.map(handler => ({ close: async () => handler.close?.() }))],
  }
}

const withPauses = (handlers: readonly Destination[], paused: ReadonlySet<string>): readonly Destination[] =>
  handlers.map(handler => (paused.has(handler.id) ? { ...handler, state: 'paused' } : handler))
