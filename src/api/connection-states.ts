import type { Connection } from '../../schemas/api.ts'
import type { Config } from '../../schemas/config.ts'
import { clockWords, lagMs } from '../ingest/vendor-clock.ts'
import { isSilent } from '../ingest/webhook-watch.ts'
import { timestamp } from '../lib/clock.ts'
import type { ConnectionRow } from '../store/port/connections.ts'
import type { Reconciliation } from '../store/port/passes.ts'
import type { ApiDeps } from './deps.ts'
import { notFound } from './problem.ts'

type Configured = Config['connections'][number]
type Counts = ReadonlyMap<string, { orders: number; quarantined: number }>

/** Counting is repeated after this many times as long as it took (20 s for 300,000 orders), and not within a second. */
const COUNT_REST = 500

/** The configured connections, each with its state, for routes and pages. */
export interface ConnectionStates {
  list(): Promise<readonly Connection[]>
  one(connection: Configured): Promise<Connection>
  /** Something was stored: count orders and quarantine entries again at the next question. */
  countAgain(): void
}

/** Throws a 404 for an id that is not in the configuration. */
export function configuredConnection({ config }: Pick<ApiDeps, 'config'>, id: string): Configured {
  const connection = config.connections.find(connection => connection.id === id)
  if (!connection) throw notFound(`There is no connection "${id.slice(0, 100)}" in the configuration.`)
  return connection
}

/** Whether the vendor lists all orders of the connection. False: only known orders, and orders of known users, can be asked for. */
export const listsAllOrders = ({ sources }: Pick<ApiDeps, 'sources'>, id: string): boolean =>
  sources.get(id)?.feed.kind !== 'follow'

export function createConnectionStates({
  config,
  sources,
  store,
  ingest,
  clock,
}: Pick<ApiDeps, 'config' | 'sources' | 'store' | 'ingest' | 'clock'>): ConnectionStates {
  let counted: { until: number; counts: Promise<Counts> } | null = null

  function counts(): Promise<Counts> {
    const began = clock.monotonic()
    if (counted !== null && began < counted.until) return counted.counts
    const entry = { until: Number.POSITIVE_INFINITY, counts: store.connections.counts() }
    counted = entry
    const rest = () => {
      const ended = clock.monotonic()
      entry.until = ended + Math.max(1000, COUNT_REST * (ended - began))
    }
    entry.counts.then(rest, () => {
      if (counted === entry) counted = null
    })
    return entry.counts
  }

  function view(
    connection: Configured,
    row: ConnectionRow | null,
    counts: Counts,
    reconciliation: Reconciliation | null,
  ): Connection {
    const { id, vendor, enabled } = connection
    const time = (at: number | null | undefined) => (at === null || at === undefined ? null : timestamp(at))
    const count = counts.get(id)
    // While the store fails, its row cannot say so.
    const trouble = ingest?.troubles?.().get(id) ?? null
    const hidden = trouble !== null && (row === null || row.state === 'ok' || row.state === 'behind') && !row?.lastError
    const lag = row && lagMs(row, clock.now())
    const aheadMs = row?.clockAheadMs ?? null
    return {
      id,
      vendor,
      enabled,
      state: !enabled ? 'stopped' : hidden ? 'failing' : (row?.state ?? 'behind'),
      cursor: time(row?.cursor),
      lagSeconds: lag === null ? null : lag / 1000,
      lastSuccessAt: time(row?.lastSuccessAt),
      clock: aheadMs === null ? null : { aheadSeconds: aheadMs / 1000, warning: clockWords(aheadMs) },
      nextPollAt: enabled ? time(row?.nextPollAt) : null,
      lastError: enabled ? (row?.lastError ?? trouble) : 'The connection is not enabled in the configuration.',
      ordersTracked: count?.orders ?? 0,
      quarantined: count?.quarantined ?? 0,
      webhooks: sources.get(id)?.webhook
        ? { lastReceivedAt: time(row?.webhookAt), silent: row !== null && isSilent(row, clock.now()) }
        : null,
      reconcile:
        connection.reconcile === false || !listsAllOrders({ sources }, id)
          ? null
          : {
              lastAt: time(reconciliation?.last?.at),
              nextAt: enabled && !reconciliation?.running ? time(reconciliation?.nextAt) : null,
              orders: reconciliation?.last?.orders ?? 0,
              events: reconciliation?.last?.events ?? 0,
              lastError: enabled ? (reconciliation?.error ?? null) : null,
            },
    }
  }

  return {
    async list() {
      const [rows, numbers, reconciliations] = await Promise.all([
        store.connections.list(),
        counts(),
        store.reconciliations.list(),
      ])
      const byId = new Map(rows.map(row => [row.id, row]))
      const reconciled = new Map(reconciliations.map(row => [row.connection, row]))
      return config.connections.map(connection => {
        const { id } = connection
        return view(connection, byId.get(id) ?? null, numbers, reconciled.get(id) ?? null)
      })
    },
    async one(connection) {
      const [row, numbers, reconciliation] = await Promise.all([
        store.connections.get(connection.id),
        counts(),
        store.reconciliations.get(connection.id),
      ])
      return view(connection, row, numbers, reconciliation)
    },
    countAgain() {
      counted = null
    },
  }
}
