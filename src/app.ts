import { hash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Hono } from 'hono'
import { nanoid } from 'nanoid'
import { type Config, type Connection, deliveryOf } from '../schemas/config.ts'
import { createApi } from './api/api.ts'
import type { Role } from './api/deps.ts'
import type { LoadedConfig } from './config/config-file.ts'
import type { Settings } from './config/environment.ts'
import { loadSecretKey } from './config/secret-key.ts'
import { createConsole } from './console/page.ts'
import { handlersAtWork } from './destinations/handlers/at-work.ts'
import { retryChangedHandlers } from './destinations/handlers/changed-handlers.ts'
import type { HandlerDeps } from './destinations/handlers/handler-destination.ts'
import { loadHandlers } from './destinations/handlers/handlers.ts'
import { declareEndpoints } from './destinations/webhooks/declared-endpoints.ts'
import { createGuard } from './destinations/webhooks/egress.ts'
import { createSender } from './destinations/webhooks/send.ts'
import { createEndpoints } from './destinations/webhooks/webhooks.ts'
import type { Destination } from './dispatch/destination.ts'
import { createDispatcher, type Dispatcher } from './dispatch/dispatcher.ts'
import { createEmbeddedLog } from './event-log/embedded.ts'
import type { EventLog } from './event-log/event-log.ts'
import { type Connected, createIngest, type Ingest } from './ingest/ingest.ts'
import { withLease } from './ingest/lease.ts'
import { createTokenVault } from './ingest/token-vault.ts'
import type { Clock } from './lib/clock.ts'
import type { AppError } from './lib/errors.ts'
import { createSecretBox, newSecret, type SecretBox } from './lib/secret-box.ts'
import { VERSION } from './lib/version.ts'
import { workTogether } from './lib/work-together.ts'
import { SANDBOX_BUYERS } from './sandbox/lapse.ts'
import type { Sandbox } from './sandbox/sandbox.ts'
import { createKakaclo, KAKACLO_LIMIT } from './sources/kakaclo/kakaclo.ts'
import { createVendorHttp } from './sources/shared/http.ts'
import { createPace, type Pace } from './sources/shared/pace.ts'
import { createShoplazza, SHOPLAZZA_LIMIT } from './sources/shoplazza/shoplazza.ts'
import type { OrderSource } from './sources/source.ts'
import { createTuya, TUYA_LIMIT } from './sources/tuya/tuya.ts'
import { projectIdOf, vendorProjects } from './sources/tuya/tuya-projects.ts'
import { createTokenKeeper, type TokenKeeper } from './sources/tuya/tuya-token.ts'
import { startRetention } from './store/retention.ts'
import { openSqlite } from './store/sqlite/sqlite.ts'
import { backupSqlite } from './store/sqlite/sqlite-backup.ts'
import type { Store } from './store/store.ts'
import type { Log } from './telemetry/log.ts'
import { watchEventLoop } from './telemetry/loop-watch.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'

/** The only place that knows which adapters there are: opens them as the configuration says and hands each part its dependencies. */

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
    const { config, sandbox } = roles.has('ingest')
      ? await withSandbox(loaded.config, clock, log)
      : { config: loaded.config, sandbox: null }
    if (sandbox) opened.push(sandbox)
    const eventLog = watched(
      await openLog({
        settings,
        store,
        retentionMs: config.retention.events,
        clock,
        log,
        metrics,
        onUnfit: options.onUnfit ?? (() => {}),
        epoch: () => turn.epoch,
      }),
    )
    opened.push(eventLog.log)
    const box = createSecretBox(await loadSecretKey(settings))
    const projects = openProjects({ config, store, shared, box, owner, clock })
    const connected = config.connections.map(connection => connect(connection, clock, log, projects))
    opened.push(...connected)
    await store.connections.configure(
      config.connections.map(connection => ({ ...connection, fingerprint: fingerprintOf(connection) })),
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
      endpoints: store.endpoints,
      deliveries: store.deliveries,
      delivery: config.delivery,
      box,
      sender,
      clock,
      log,
      version: VERSION,
    })
    const handlers = await openHandlers(loaded, { delivery, clock, log })
    opened.push(...handlers.map(handler => ({ close: async () => handler.close?.() })))
    const dispatch = createDispatcher({
      store,
      eventLog: eventLog.log,
      clock,
      log,
      metrics,
      group: settings.kafka?.group ?? EMBEDDED_GROUP,
      destinations: async () => [...withPauses(handlers, await store.pauses.list()), ...(await endpoints.load())],
      disable: endpoints.disable,
      test: endpoints.test,
      fresh: () => turn.fresh(),
      ...(shared ? { tickMs: CLUSTER_TICK_MS } : {}),
    })
    await dispatch.refresh()
    const ingest = roles.has('ingest')
      ? createIngest({
          connections: connected,
          store,
          eventLog: eventLog.log,
          owner,
          shared,
          clock,
          log,
          metrics,
        })
      : null
    if (ingest) opened.push(ingest)
    if (sandbox) for (const buyer of SANDBOX_BUYERS) await followBuyer(store, config, buyer, clock.now())

    const api = createApi({
      config,
      store,
      eventLog: eventLog.log,
      ingest,
      dispatch: roles.has('dispatch') && !local ? dispatch : { ...dispatch, health: () => null },
      metrics,
      log,
      clock,
      version: VERSION,
      shared,
      roles,
      apiKey: local ? null : settings.apiKey,
      localKey: options.localKey ?? null,
      publicUrls: settings.publicUrls,
      secretBox: box,
      newSecret,
      checkUrl: guard.checkUrl,
      onEvents: eventLog.onEvents,
      trusted: local,
      standby: () => turn.standsBy,
      console: createConsole(),
    })
    return {
      api,
      close,
      run: signal =>
        work(
          {
            ...options,
            store,
            eventLog: eventLog.log,
            ingest,
            dispatch: roles.has('dispatch') ? dispatch : null,
            owner,
            turn,
            metrics,
            handlers,
          },
          signal,
        ),
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
        reader: eventLog.kind === 'embedded' ? EMBEDDED_GROUP : null,
        metrics,
        clock,
        log,
      }),
  }
  const stopWatch = watchEventLoop({ clock, log, metrics, suspects: handlersAtWork.suspects })
  const isPair = eventLog.kind === 'embedded' && settings.databaseUrl !== null
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
  }
}

export async function openStore({ databaseUrl, databasePool, dataFolder }: Settings, clock: Clock): Promise<Store> {
  if (databaseUrl === null) return openSqlite({ folder: dataFolder, clock })
  const { openPostgres } = await import('./store/postgres/postgres.ts')
  return openPostgres({ url: databaseUrl, poolSize: databasePool, clock })
}

/** Copies the embedded store, while it runs or not; the size of the copy in bytes. */
export const backupStore = ({ dataFolder }: Settings, file: string): number =>
  backupSqlite({ folder: dataFolder, file })

export async function openLog(deps: {
  retentionMs: number
  onUnfit: (error: AppError) => void
  /** False: reaches nothing until asked to. */
  watch?: boolean
  settings: Settings
  store: Store
  clock: Clock
  log: Log
  metrics: Metrics
  /** Of the lease under which this process works, where two are a pair. */
  epoch?: () => number
}): Promise<EventLog> {
  const { settings, store, clock, log } = deps
  if (!settings.kafka) return createEmbeddedLog({ store, clock, log, ...(deps.epoch && { epoch: deps.epoch }) })
  const { createKafkaLog } = await import('./event-log/kafka/kafka-log.ts')
  return createKafkaLog({ ...deps, ...settings.kafka, clientId: 'orderwire' })
}

/** Tells listeners (the live stream) when events were appended. */
function watched(log: EventLog): { log: EventLog; onEvents: (listener: () => void) => () => void } {
  const listeners = new Set<() => void>()
  const append: EventLog['append'] = async events => {
    await log.append(events)
    for (const listener of listeners) listener()
  }
  const onEvents = (listener: () => void) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }
  return {
    log: new Proxy(log, { get: (target, key) => (key === 'append' ? append : Reflect.get(target, key)) }),
    onEvents,
  }
}

interface OpenProject {
  readonly tokens: TokenKeeper
  readonly pace: Pace
}

/** What connections of one Tuya project share, by the project's id: in this process, and through the store between processes. */
export function openProjects(deps: {
  config: Config
  store: Store
  /** Other processes work on the same store. */
  shared: boolean
  box: SecretBox
  owner: string
  clock: Clock
}): ReadonlyMap<string, OpenProject> {
  const { config, store, shared, clock } = deps
  const { projects, leases } = store
  return new Map(
    [...vendorProjects(config.connections, TUYA_LIMIT).values()].map(({ id: project, connections, limit }) => {
      const vault = createTokenVault({ ...deps, project, projects, leases })
      const pace = { intervalMs: 1000 / limit.perSecond, burst: limit.burst }
      const book = () => projects.book(project, pace, clock.now())
      return [
        project,
        {
          tokens: createTokenKeeper({ clock, vault }),
          // One connection is worked by one process at a time, so its pace needs nobody else's word.
          pace: createPace({ limit, clock, ...(shared && connections > 1 && { book }) }),
        },
      ]
    }),
  )
}

/** A vendor is one file in `sources/` and one line here. `projects`: without them a connection has a token and a pace of its own. */
export function connect(
  config: Connection,
  clock: Clock,
  log: Log,
  projects?: ReadonlyMap<string, OpenProject>,
): Connected & { close(): Promise<void> } {
  const project = config.vendor === 'tuya' ? projects?.get(projectIdOf(config)) : undefined
  const limit =
    config.rateLimit ?? { kakaclo: KAKACLO_LIMIT, tuya: TUYA_LIMIT, shoplazza: SHOPLAZZA_LIMIT }[config.vendor]
  const http = createVendorHttp({
    ...{ connection: config.id, baseUrl: config.baseUrl, limit, clock, log },
    ...(project && { pace: project.pace }),
  })
  const source = ((): OrderSource => {
    switch (config.vendor) {
      case 'kakaclo':
        return createKakaclo({ connection: config, http, log })
      case 'tuya':
        return createTuya({ connection: config, http, clock, ...(project && { tokens: project.tokens }) })
      case 'shoplazza':
        return createShoplazza({ connection: config, http, log })
    }
  })()
  let asked = false
  const vendorNow = async (signal: AbortSignal) => {
    // Once: a vendor whose answers name no time is held to have ours.
    const ask = !http.offsetKnown && !asked
    asked = true
    if (ask) await source.check({ signal, priority: 'live' })
    return http.vendorNow()
  }
  return { config, source, vendorNow, close: () => http.close() }
}

const fingerprintOf = (connection: Connection): string => hash('sha256', JSON.stringify(connection), 'base64url')

/** The handlers of the configuration's folder; none where no folder is named and there is none beside it. */
export async function openHandlers(loaded: LoadedConfig, deps: HandlerDeps): Promise<readonly Destination[]> {
  const folder = handlersFolder(loaded)
  const keepEventsMs = loaded.config.retention.events
  return folder === null ? [] : loadHandlers(folder, { ...deps, keepEventsMs })
}

function handlersFolder({ config, folder }: LoadedConfig): string | null {
  if (config.handlers !== undefined) return resolve(folder, config.handlers)
  const beside = resolve(folder, 'handlers')
  return existsSync(beside) ? beside : null
}

/** With `sandbox` in the configuration the vendors are simulated in this process; if its port is taken, another is found and the base URLs follow. */
export async function withSandbox(
  config: Config,
  clock: Clock,
  log: Log,
): Promise<{ config: Config; sandbox: Sandbox | null }> {
  if (!config.sandbox) return { config, sandbox: null }
  const { createSandbox } = await import('./sandbox/sandbox.ts')
  const { port, speed } = config.sandbox
  const sandbox = await createSandbox({ port, speed, clock }).catch(() => createSandbox({ port: 0, speed, clock }))
  log.info({ url: sandbox.url }, 'sandbox: the three vendors are simulated here')
  const configured = `http://127.0.0.1:${port}`
  const moved = <T extends Connection>(connection: T): T => ({
    ...connection,
    baseUrl: connection.baseUrl.replace(configured, sandbox.url),
  })
  return { config: { ...config, connections: config.connections.map(moved) }, sandbox }
}

async function followBuyer(store: Store, { connections }: Config, buyer: string, now: number): Promise<void> {
  for (const { id, vendor } of connections)
    if (vendor === 'tuya') await store.follows.put(id, 'user', buyer, buyer, now)
}
