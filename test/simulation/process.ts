import { createDispatcher, type Dispatcher } from '../../src/dispatch/dispatcher.ts'
import { createEmbeddedLog } from '../../src/event-log/embedded.ts'
import { createIngest, type Ingest } from '../../src/ingest/ingest.ts'
import { withLease } from '../../src/lease.ts'
import type { Log, Metrics } from '../../src/observe.ts'
import type { Random } from '../../src/sandbox/random.ts'
import type { Store } from '../../src/store/store.ts'
import type { Broker } from './broker.ts'
import type { Durable } from './durable.ts'
import type { Life } from './life.ts'
import { overPort, type PortDeps } from './port.ts'
import type { Receiver } from './receiver.ts'
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

export function bootProcess(deps: {
  port: PortDeps
  durable: Durable
  vendors: readonly Vendor[]
  receivers: readonly Receiver[]
  broker: Broker | null
  /** Two whole processes on one database without Kafka: one works at a time. */
  pair: boolean
  random: Random
  queueLimit: number
  log: Log
  metrics: Metrics
}): Process {
  const { port, vendors, receivers, broker, metrics } = deps
  const { life } = port
  const { clock } = life
  const log = deps.log.child({ process: life.name })
  const store = overPort(port, deps.durable.store)
  const eventLog = broker
    ? broker.connect({ ...port, name: 'log', code: 'kafka' })
    : createEmbeddedLog({ store, clock, log })
  const connections = vendors.map(vendor => vendor.connect(port))
  const ingest = createIngest({ connections, store, eventLog, owner: life.name, clock, log, metrics })
  const dispatch = createDispatcher({
    store,
    eventLog,
    clock,
    log,
    metrics,
    group: 'dispatch',
    destinations: async () => receivers.map(receiver => receiver.connect(life)),
    disable: async id => {
      const found = receivers.find(receiver => receiver.id === id)
      if (found) found.state = 'disabled'
    },
    test: async () => ({ statusCode: 200, ms: 1, error: null }),
    random: deps.random.next,
    queueLimit: deps.queueLimit,
    tickMs: broker ? 1_000 : 5_000,
  })
  const stopping = new AbortController()

  async function configure(): Promise<void> {
    const rows = vendors.map(({ id, kind }) => ({
      id,
      vendor: kind === 'pages' ? ('kakaclo' as const) : kind === 'cursor' ? ('shoplazza' as const) : ('tuya' as const),
      fingerprint: 'simulated',
    }))
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
    await dispatch.start()
    await Promise.all([ingest.run(until), aborted(until)])
    await dispatch.stop(8_000)
  }

  const ended = (async () => {
    await configure()
    if (!deps.pair) await work(stopping.signal)
    else {
      const { signal } = stopping
      const leasing = { leases: store.leases, name: 'process', owner: life.name, clock, log, signal }
      await withLease(leasing, held => work(held.signal))
    }
    await eventLog.close()
  })()

  return { life, store, ingest, dispatch, stop: () => life.run(() => stopping.abort()), ended }
}
