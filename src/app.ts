import { hash } from 'node:crypto'
import type { Hono } from 'hono'
import { nanoid } from 'nanoid'
import { type Config, type Connection, deliveryOf } from '../schemas/config.ts'
import { startAlerts } from './alerts/alerts.ts'
import { createApi } from './api/api.ts'
import type { Role } from './api/deps.ts'
import type { LoadedConfig } from './config/config-file.ts'
import type { Settings } from './config/environment.ts'
import { loadSecretKey } from './config/secret-key.ts'
import { createConsole } from './console/console.ts'
import { handlersAtWork } from './destinations/handlers/at-work.ts'
import { retryChangedHandlers } from './destinations/handlers/changed-handlers.ts'
import { openHandlers } from './destinations/handlers/open-handlers.ts'
import { declareEndpoints } from './destinations/webhooks/declared-endpoints.ts'
import { createGuard } from './destinations/webhooks/egress.ts'
import { createSender } from './destinations/webhooks/send.ts'
import { createEndpoints } from './destinations/webhooks/webhooks.ts'
import type { Destination } from './dispatch/destination.ts'
import { createDispatcher, type Dispatcher } from './dispatch/dispatcher.ts'
import type { EventLog } from './event-log/event-log.ts'
import { openLog } from './event-log/open-log.ts'
import { sharedBetweenProcesses } from './ingest/group-vault.ts'
import { createIngest, type Ingest } from './ingest/ingest.ts'
import { withLease } from './ingest/lease.ts'
import type { Clock } from './lib/clock.ts'
import type { AppError } from './lib/errors.ts'
import { createSecretBox, newSecret } from './lib/secret-box.ts'
import { VERSION } from './lib/version.ts'
import { workTogether } from './lib/work-together.ts'
import { followSandboxBuyers, withSandbox } from './sandbox/with-sandbox.ts'
import { connectAll } from './sources/connect.ts'
import { startSimulators } from './sources/simulators.ts'
import { openStore } from './store/open-store.ts'
import { startRetention } from './store/retention.ts'
import type { Store } from './store/store.ts'
import type { Log } from './telemetry/log.ts'
import { watchEventLoop } from './telemetry/loop-watch.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'

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
  /** What was opened in good faith turned out to be unfit (the topic is compacted): no waiting helps. */
  readonly onUnfit?: (error: AppError) => void
  /** A second key that this process accepts, for commands on the same machine. */
  readonly localKey?: string
}

export interface App {
  readonly api: Hono
  /** Does the work of its roles until the signal aborts; resolves when all of it is put down, within 10 s. */
  run(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** A pair's turn at work: its number, and whether it may have passed to the other process already. */
interface Turn {
  epoch: number
  fresh: () => boolean
  /** The other process works; false without a pair. */
  standsBy: boolean
}

const withPauses = (handlers: readonly Destination[], paused: ReadonlySet<string>): readonly Destination[] =>
  handlers.map(handler => (paused.has(handler.id) ? { ...handler, state: 'paused' } : handler))

/** In-flight deliveries get this long at the end. */
const GRACE_MS = 8_000
/** How soon a dispatcher learns of endpoints and replays that another process wrote down. */
const CLUSTER_TICK_MS = 1_000
/** The group that reads the embedded event log. */
const EMBEDDED_GROUP = 'dispatch'

export async function createApp(options: AppOptions): Promise<App> {
  const { loaded, settings, roles, clock, log, local = false } = options
  const metrics = createMetrics()
  const owner = nanoid(10)
  const shared = settings.databaseUrl !== null
  const turn: Turn = { epoch: 0, fresh: () => true, standsBy: false }
  const opened: { close(): Promise<unknown> }[] = []
  const close = async () => {
    for (const one of opened.reverse())
      await one.close().catch(error => log.warn({ error: String(error) }, 'could not close cleanly'))
  }
  try {
    const store = await openStore(settings, clock)
    opened.push(store)
    const simulation = roles.has('ingest') ? await simulated(loaded.config, clock, log) : null
    if (simulation) opened.push(simulation)
    const { config } = simulation ?? loaded
    const eventLog = await openLog({
      ...{ settings, store, clock, log, metrics },
      retentionMs: config.retention.events,
      onUnfit: options.onUnfit ?? (() => {}),
      epoch: () => turn.epoch,
    })
    opened.push(eventLog)
    const box = createSecretBox(await loadSecretKey(settings))
    const connected = connectAll({
      config,
      clock,
      log,
      shared: sharedBetweenProcesses({ store, shared, box, owner, clock }),
    })
    opened.push(...connected)
    await store.connections.configure(
      connected.map(({ config: one }) => ({
        ...{ id: one.id, vendor: one.vendor, fingerprint: fingerprintOf(one) },
        ...(one.enabled && { seenAt: clock.now() }),
      })),
    )

    const guard = createGuard({ allow: config.network.allow })
    if (roles.has('api') || roles.has('dispatch')) {
      const { endpoints } = store
      await declareEndpoints({ declared: config.endpoints, endpoints, shared, box, guard, clock, log })
    }
    const sender = createSender({ guard, clock })
    opened.push(sender)
    const delivery = deliveryOf(config.delivery)
    const endpoints = createEndpoints({
      ...{ endpoints: store.endpoints, deliveries: store.deliveries, delivery: config.delivery },
      ...{ box, sender, clock, log, version: VERSION },
    })
    const handlers = await openHandlers(loaded, { delivery, clock, log })
    opened.push(...handlers.map(handler => ({ close: async () => handler.close?.() })))
    const dispatch = createDispatcher({
      ...{ store, eventLog, clock, log, metrics },
      group: settings.kafka?.group ?? EMBEDDED_GROUP,
      destinations: async () => [...withPauses(handlers, await store.pauses.list()), ...(await endpoints.load())],
      disable: endpoints.disable,
      test: endpoints.test,
      fresh: () => turn.fresh(),
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
      ...{ config, store, eventLog, ingest, metrics, log, clock, version: VERSION, shared, roles },
      sources: new Map(connected.map(({ config, source }) => [config.id, source])),
      dispatch: roles.has('dispatch') && !local ? dispatch : { ...dispatch, health: () => null },
      apiKey: local ? null : settings.apiKey,
      localKey: options.localKey ?? null,
      publicUrls: settings.publicUrls,
      secretBox: box,
      newSecret,
      checkUrl: guard.checkUrl,
      onEvents: published.listen,
      trusted: local,
      standby: () => turn.standsBy,
      console: createConsole(),
    })
    return {
      api,
      close,
      run: signal => {
        const working = roles.has('dispatch') ? dispatch : null
        return work({ ...options, store, eventLog, ingest, dispatch: working, owner, turn, metrics, handlers }, signal)
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The working roles, until the signal aborts. Two whole processes on one PostgreSQL without Kafka are a pair: the holder of one lease works. */
async function work(
  parts: AppOptions & {
    store: Store
    eventLog: EventLog
    ingest: Ingest | null
    dispatch: Dispatcher | null
    owner: string
    metrics: Metrics
    handlers: readonly Destination[]
    turn: Turn
  },
  signal: AbortSignal,
): Promise<void> {
  const { store, eventLog, ingest, dispatch, owner, turn, clock, log, metrics, handlers, settings, loaded } = parts
  const all = {
    ingest,
    dispatch: dispatch && {
      async start(until: AbortSignal) {
        await dispatch.start()
        void retryChangedHandlers({ handlers, store, wake: dispatch.wake, clock, log, signal: until })
      },
      stop: (graceMs: number) => dispatch.stop(graceMs, { lost: !signal.aborted }),
    },
    graceMs: GRACE_MS,
    startRetention: () =>
      startRetention({
        store,
        retention: loaded.config.retention,
        reader: eventLog.commitPublishes ? EMBEDDED_GROUP : null,
        metrics,
        clock,
        log,
      }),
  }
  const stopWatch = watchEventLoop({ clock, log, metrics, suspects: handlersAtWork.suspects })
  const stopAlerts = startAlerts({ ...parts, config: loaded.config, publicUrls: settings.publicUrls })
  const isPair = eventLog.ownsAllPartitions && settings.databaseUrl !== null
  try {
    if (!isPair) return await workTogether(all, signal)
    turn.standsBy = true
    const failure = new AbortController()
    const until = AbortSignal.any([signal, failure.signal])
    await withLease({ leases: store.leases, name: 'process', owner, clock, log, signal: until }, held => {
      turn.epoch = held.lease.epoch
      turn.fresh = held.isFresh
      turn.standsBy = false
      return (
        workTogether(all, held.signal)
          // The other of the pair takes over.
          .catch(error => failure.abort(error))
          .finally(() => {
            turn.standsBy = true
          })
      )
    })
    failure.signal.throwIfAborted()
  } finally {
    stopWatch()
    await stopAlerts()
  }
}

const fingerprintOf = (connection: Connection): string => hash('sha256', JSON.stringify(connection), 'base64url')

/** Who wants to know of new events: the live stream. */
function createListeners() {
  const listeners = new Set<() => void>()
  return {
    tell: () => {
      for (const listener of listeners) listener()
    },
    listen(listener: () => void) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
