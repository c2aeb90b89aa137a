import type { Hono } from 'hono'
import { nanoid } from 'nanoid'
import type { Config } from '../schemas/config.ts'
import { startAlerts } from './alerts/alerts.ts'
import { createApi } from './api/api.ts'
import type { Role } from './api/deps.ts'
import type { LoadedConfig } from './config/config-file.ts'
import type { Settings } from './config/environment.ts'
import { loadSecretKey } from './config/secret-key.ts'
import { createConsole } from './console/console.ts'
import { openDestinations } from './destinations/open-destinations.ts'
import { createDispatcher } from './dispatch/dispatcher.ts'
import { openLog } from './event-log/open-log.ts'
import { sharedBetweenProcesses } from './ingest/group-vault.ts'
import { createIngest } from './ingest/ingest.ts'
import type { Clock } from './lib/clock.ts'
import type { AppError } from './lib/errors.ts'
import { createListeners } from './lib/listeners.ts'
import { createSecretBox, newSecret } from './lib/secret-box.ts'
import { VERSION } from './lib/version.ts'
import { createPair } from './process/pair.ts'
import { workTogether } from './process/work-together.ts'
import { followSandboxBuyers, withSandbox } from './sandbox/with-sandbox.ts'
import { connectAll } from './sources/connect.ts'
import { startSimulators } from './sources/simulators.ts'
import { openStore } from './store/open-store.ts'
import { startRetention } from './store/retention.ts'
import type { Log } from './telemetry/log.ts'
import { watchEventLoop } from './telemetry/loop-watch.ts'
import { createMetrics } from './telemetry/metrics.ts'

/** The only place that knows which adapters there are: opens them as the configuration says and hands each part its dependencies. */

export { openHandlers } from './destinations/handlers/open-handlers.ts'
export { openLog } from './event-log/open-log.ts'
export { connectAll } from './sources/connect.ts'
export { backupStore, openStore } from './store/open-store.ts'

/** With `sandbox` in the configuration: connections to simulated vendors, ours and those of `sources`. */
export async function simulated(config: Config, clock: Clock, log: Log) {
  const own = await startSimulators(config, log)
  const { sandbox, config: moved } = await withSandbox(own.config, clock, log)
  return {
    config: moved,
    sandbox: sandbox !== null,
    close: async () => {
      await Promise.all([own.close(), sandbox?.close()])
    },
  }
}

export interface AppOptions {
  readonly loaded: LoadedConfig
  readonly settings: Settings
  readonly roles: ReadonlySet<Role>
  readonly clock: Clock
  readonly log: Log
  /** A command without a server: the API is called in process and trusts its caller. */
  readonly local?: boolean
  /** Called with a fault that no waiting mends, found after the start (the topic is compacted). */
  readonly onUnfit?: (error: AppError) => void
  /** A second key that this process accepts, for commands on the same machine. */
  readonly localKey?: string
}

export interface App {
  readonly api: Hono
  /** Works until the signal aborts, and resolves when all of it has stopped, within 10 s. */
  run(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** In-flight deliveries get this long at the end. */
const GRACE_MS = 8_000
/** How soon a dispatcher learns of endpoints and replays that another process stored. */
const CLUSTER_TICK_MS = 1_000
/** The group that reads the embedded event log. */
const EMBEDDED_GROUP = 'dispatch'

export async function createApp(options: AppOptions): Promise<App> {
  const { loaded, settings, roles, clock, log, local = false } = options
  const metrics = createMetrics()
  const owner = nanoid(10)
  const shared = settings.databaseUrl !== null
  const opened: { close(): Promise<unknown> }[] = []
  const close = async () => {
    for (const one of opened.reverse())
      await one.close().catch(error => log.warn({ error: String(error) }, 'could not close cleanly'))
  }
  try {
    const store = await openStore(settings, clock)
    opened.push(store)
    const pair = createPair({ leases: store.leases, owner, clock, log })
    const simulation = roles.has('ingest') ? await simulated(loaded.config, clock, log) : null
    if (simulation) opened.push(simulation)
    const { config } = simulation ?? loaded
    const eventLog = await openLog({
      ...{ settings, store, clock, log, metrics },
      retentionMs: config.retention.events,
      onUnfit: options.onUnfit ?? (() => {}),
      pair,
    })
    opened.push(eventLog)
    const box = createSecretBox(await loadSecretKey(settings))
    const connected = connectAll({
      ...{ config, clock, log, proxy: loaded.proxies.vendors },
      shared: sharedBetweenProcesses({ store, shared, box, owner, clock }),
    })
    opened.push(...connected)
    await store.connections.configure(
      connected.map(({ config: { id, vendor, enabled }, fingerprint }) => ({
        ...{ id, vendor, fingerprint },
        ...(enabled && { seenAt: clock.now() }),
      })),
    )

    const destinations = await openDestinations({
      ...{ loaded, config, store, box, shared, clock, log },
      declare: roles.has('api') || roles.has('dispatch'),
    })
    opened.push(...destinations.opened)
    const dispatch = createDispatcher({
      ...{ store, eventLog, clock, log, metrics },
      group: settings.kafka?.group ?? EMBEDDED_GROUP,
      destinations: destinations.load,
      disable: destinations.disable,
      test: destinations.test,
      fresh: pair.isFresh,
      ...(shared ? { tickMs: CLUSTER_TICK_MS } : {}),
    })
    await dispatch.refresh()
    const published = createListeners()
    const ingest = roles.has('ingest')
      ? createIngest({
          ...{ connections: connected, store, eventLog, owner, shared, clock, log, metrics },
          onPublished: published.tell,
        })
      : null
    if (ingest) opened.push(ingest)
    if (simulation?.sandbox) await followSandboxBuyers(store.follows, config.connections, clock.now())

    const api = createApi({
      ...{ config, store, eventLog, ingest, metrics, log, clock, version: VERSION, shared, roles, owner },
      sources: new Map(connected.map(({ config, source }) => [config.id, source])),
      dispatch: roles.has('dispatch') && !local ? dispatch : { ...dispatch, health: () => null },
      apiKey: local ? null : settings.apiKey,
      localKey: options.localKey ?? null,
      publicUrls: settings.publicUrls,
      secretBox: box,
      newSecret,
      checkUrl: destinations.checkUrl,
      onEvents: published.listen,
      trusted: local,
      standby: pair.standsBy,
      console: createConsole(),
    })
    const parts = (stopped: AbortSignal) => ({
      ingest,
      dispatch: roles.has('dispatch')
        ? {
            async start(until: AbortSignal) {
              await dispatch.start()
              void destinations.retryChanged(dispatch.wake, until)
            },
            stop: (graceMs: number) => dispatch.stop(graceMs, { lost: !stopped.aborted }),
          }
        : null,
      graceMs: GRACE_MS,
      startRetention: () =>
        startRetention({
          ...{ store, metrics, clock, log },
          retention: loaded.config.retention,
          reader: eventLog.commitPublishes ? EMBEDDED_GROUP : null,
        }),
    })
    return {
      api,
      close,
      async run(signal) {
        const work = (until: AbortSignal) => workTogether(parts(signal), until)
        const stopWatch = watchEventLoop({ clock, log, metrics, suspects: destinations.suspects })
        const stopAlerts = startAlerts({
          ...{ config: loaded.config, proxy: loaded.proxies.webhooks, certificates: loaded.certificates },
          ...{ publicUrls: settings.publicUrls, store, roles, owner, clock, log, metrics },
        })
        try {
          await (shared && eventLog.ownsAllPartitions ? pair.run(work, signal) : work(signal))
        } finally {
          stopWatch()
          await stopAlerts()
        }
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}
