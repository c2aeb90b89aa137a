import type { Connection } from '../../schemas/config.ts'
import type { EventLog } from '../event-log/event-log.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { OrderSource } from '../sources/source.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createPageApplier } from './apply-page.ts'
import { type ConnectionWorker, createConnectionWorker } from './connection-worker.ts'
import type { IngestControl } from './ingest-control.ts'
import { serveRequests } from './poll-request.ts'
import type { PollTarget } from './poll-target.ts'
import { createQuarantinedSpans } from './quarantined-spans.ts'
import { createRowMemory } from './row-memory.ts'
import { createSpanReaders } from './spans.ts'
import { createUnnamedRows } from './unnamed-rows.ts'
import { createWindowReader } from './window-reader.ts'

/** Known rows of all connections together: about 300 bytes each. A connection alone has no more pages in a window than make a fifth of them. */
const KNOWN_ROWS = 50_000
const LEAST_KNOWN_ROWS = 500

/** A configured connection with the source that speaks to its vendor. */
export interface Connected {
  readonly config: Connection
  readonly source: OrderSource
  /** The vendor's present, milliseconds since the epoch; asks the vendor once if it has not answered yet. */
  readonly vendorNow: (signal: AbortSignal) => Promise<number>
}

export interface Ingest extends IngestControl {
  /** Works all connections until the signal aborts; resolves when the last poll has ended. */
  run(signal: AbortSignal): Promise<void>
  /** Ends work that a command began without `run`. */
  close(): Promise<void>
}

/** Ingest: from the vendors' APIs to events in the log, one worker per connection. */
export function createIngest(deps: {
  connections: readonly Connected[]
  store: Store
  eventLog: EventLog
  /** Called when new events can be read. */
  onPublished?: () => void
  /** Name of this process among others. */
  owner: string
  /** Other processes may work the same connections; default false. */
  shared?: boolean
  clock: Clock
  log: Log
  metrics: Metrics
}): Ingest {
  const { store, clock, log, metrics, eventLog, shared = false } = deps
  const workers = new Map<string, ConnectionWorker>()
  for (const connected of deps.connections) {
    if (!connected.config.enabled) continue
    workers.set(connected.config.id, createConnectionWorker({ ...deps, shared, polled: polledOf(connected) }))
  }

  function polledOf({ config, source, vendorNow }: Connected): PollTarget {
    const { id: connection, vendor, overlap: overlapMs, backfill } = config
    const backfillFrom = (firstSeenAt: number) =>
      backfill === undefined
        ? firstSeenAt - overlapMs
        : 'since' in backfill
          ? backfill.since
          : firstSeenAt - backfill.ms
    const { commitPublishes } = eventLog
    const memory = createRowMemory(Math.max(LEAST_KNOWN_ROWS, Math.floor(KNOWN_ROWS / deps.connections.length)))
    const applyPage = createPageApplier({
      ...{ connection, vendor, source, store, clock, log, metrics, commitPublishes, memory },
      reasons: config.reasons,
    })
    const { feed } = source
    const spans = createQuarantinedSpans({ connection, quarantine: store.quarantine, clock, log })
    const unnamed = createUnnamedRows({ connection, windows: store.unnamedWindows, clock, log })
    return {
      connection,
      source,
      store,
      clock,
      log,
      vendorNow,
      applyPage,
      memory,
      reader: feed.kind === 'window' ? createWindowReader({ connection, feed, spans, unnamed, log }) : null,
      spanReaders: feed.kind === 'window' ? createSpanReaders({ connection, feed, spans, log }) : null,
      pollEveryMs: config.pollEvery,
      overlapMs,
      backfillFrom,
      reconcile: config.reconcile,
      takesWebhooks: source.webhook !== undefined,
    }
  }

  function workerOf(connection: string): ConnectionWorker {
    const worker = workers.get(connection)
    if (worker) return worker
    throw new AppError(
      `There is no enabled connection "${connection}"; there are: ${[...workers.keys()].join(', ') || 'none'}.`,
      {
        code: 'ingest.unknown_connection',
        intent: 'fix',
      },
    )
  }

  return {
    async run(signal) {
      const all = [...workers.values()]
      const requests = shared ? serveRequests({ ...deps, workers: all }, signal) : null
      await Promise.all([requests, ...all.map(worker => worker.run(signal))])
    },
    poll: async (connection, options) => workerOf(connection).poll(options),
    read: async (connection, orders, signal) => workerOf(connection).read(orders, signal),
    refetch: connection => workers.get(connection)?.refetch(),
    backfill: connection => workerOf(connection).backfill(),
    publish: async connection => workers.get(connection)?.publish(),
    close: async () => void (await Promise.all([...workers.values()].map(worker => worker.close()))),
    wake: connection => workers.get(connection)?.wake(),
    troubles: () =>
      new Map(
        [...workers.values()].flatMap(({ connection, troubles }) => {
          const sentence = troubles()
          return sentence === null ? [] : [[connection, sentence]]
        }),
      ),
    health() {
      const troubles = [...workers.values()].map(({ connection, trouble }) => ({ connection, sentence: trouble() }))
      if (troubles.length === 0 || troubles.some(({ sentence }) => sentence === null)) return null
      return troubles.map(({ connection, sentence }) => `${connection}: ${sentence}`).join(' · ')
    },
  }
}
