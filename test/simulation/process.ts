import { createEndpoints } from '../../src/destinations/webhooks/webhooks.ts'
import { createDispatcher, type Dispatcher } from '../../src/dispatch/dispatcher.ts'
import { createEmbeddedLog } from '../../src/event-log/embedded.ts'
import { createIngest, type Ingest } from '../../src/ingest/ingest.ts'
import { type HeldLease, withLease } from '../../src/ingest/lease.ts'
import type { SecretBox } from '../../src/lib/secret-box.ts'
import type { Random } from '../../src/sandbox/random.ts'
import { startRetention } from '../../src/store/retention.ts'
import type { Store } from '../../src/store/store.ts'
import type { Log } from '../../src/telemetry/log.ts'
import type { Metrics } from '../../src/telemetry/metrics.ts'
import type { Broker } from './broker.ts'
import type { Durable } from './durable.ts'
import type { Plan } from './plan.ts'
import { overPort, type PortDeps } from './port.ts'
import { type Receiver, senderOf } from './receiver.ts'
import type { Life } from './session.ts'
import type { Vendor } from './vendor.ts'

/** The program as it runs in one process, wired as `app.ts` wires it, with every port of it simulated. */
export interface Process {
  readonly life: Life
  readonly store: Store
  readonly ingest: Ingest
  readonly dispatch: Dispatcher
  /** SIGTERM; `ended` resolves when it is down. */
  stop(): void
  readonly ended: Promise<void>
}

/** Nothing is secret here, and what is sealed is part of the trace: it has to be the same each time. */
export const BOX: SecretBox = { seal: text => `sealed ${text}`, open: text => text.slice('sealed '.length) }

export function bootProcess(deps: {
  port: PortDeps
  durable: Durable
  vendors: readonly Vendor[]
  receivers: readonly Receiver[]
  broker: Broker | null
  /** `pair`: two whole processes on one database without Kafka, of which one works at a time. */
  mode: Plan['mode']
  random: Random
  queueLimit: number
  retentionMs: number | null
  log: Log
  metrics: Metrics
}): Process {
  const { port, vendors, receivers, broker, metrics } = deps
  const { life } = port
  const { clock } = life
  const log = deps.log.child({ process: life.name })
  const store = overPort(port, deps.durable.store)
  let held: HeldLease | null = null
  const fresh = () => held?.isFresh() ?? true
  const eventLog = broker
    ? broker.connect({ ...port, name: 'log', code: 'kafka' })
    : createEmbeddedLog({ store, clock, log, lease: () => held?.lease ?? null, fresh })
  const connections = vendors.map(vendor => vendor.connect(port, log))
  const ingest = createIngest({
    ...{ connections, store, eventLog, clock, log, metrics },
    owner: life.name,
    shared: deps.mode !== 'solo',
  })
  const sender = senderOf(life, receivers)
  const endpoints = createEndpoints({
    endpoints: store.endpoints,
    deliveries: store.deliveries,
    delivery: {},
    box: BOX,
    sender,
    clock,
    log,
    version: '0',
  })
  const byId = new Map(receivers.map(receiver => [receiver.id, receiver]))
  const handlers = receivers
    .filter(({ kind }) => kind === 'handler')
    .map(receiver => receiver.watched(life, receiver.handler(life, log)))
  const dispatch = createDispatcher({
    store,
    eventLog,
    clock,
    log,
    metrics,
    group: 'dispatch',
    destinations: async () => [
      ...handlers,
      ...(await endpoints.load()).map(
        destination => byId.get(destination.id)?.watched(life, destination) ?? destination,
      ),
    ],
    disable: endpoints.disable,
    test: endpoints.test,
    random: deps.random.next,
    queueLimit: deps.queueLimit,
    tickMs: 5_000,
    fresh,
  })
  const stopping = new AbortController()

  async function configure(): Promise<void> {
    const rows = vendors.map(({ id, vendor }) => ({ id, vendor, fingerprint: 'simulated', seenAt: clock.now() }))
    await insist(() => store.connections.configure(rows))
    for (const { id, users } of vendors)
      for (const user of users) await insist(() => store.follows.put(id, 'user', user, user, clock.now()))
  }

  /** The program ends when its store is away at the start, and is started again. */
  async function insist(write: () => Promise<void>): Promise<void> {
    const tried = () =>
      write().then(
        () => true,
        () => false,
      )
    while (!(await tried())) await clock.sleep(500)
  }

  const aborted = (signal: AbortSignal): Promise<void> =>
    new Promise(resolve =>
      signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
    )

  async function work(until: AbortSignal): Promise<void> {
    const stopRetention = deps.retentionMs === null ? () => {} : prune(deps.retentionMs)
    await dispatch.start()
    await Promise.all([ingest.run(until), aborted(until)])
    stopRetention()
    await dispatch.stop(8_000, { lost: !stopping.signal.aborted })
  }

  /** Dead letters stay: whether they are redriven is judged. */
  function prune(retentionMs: number): () => void {
    const retention = { events: retentionMs, attempts: retentionMs, deadLetters: Number.MAX_SAFE_INTEGER / 2 }
    const reader = broker ? null : 'dispatch'
    return startRetention({ store, retention, reader, metrics, clock, log, everyMs: 10_000 })
  }

  const ended = (async () => {
    await configure()
    if (deps.mode !== 'pair') await work(stopping.signal)
    else {
      const { signal } = stopping
      const leasing = { leases: store.leases, name: 'process', owner: life.name, clock, log, signal }
      await withLease(leasing, taken => {
        held = taken
        return work(taken.signal)
      })
    }
    await eventLog.close()
  })()

  return { life, store, ingest, dispatch, stop: () => life.run(() => stopping.abort()), ended }
}
