import { lagMs } from '../ingest/vendor-clock.ts'
import { isSilent } from '../ingest/webhook-watch.ts'
import type { ConnectionRow } from '../store/port/connections.ts'
import { CONNECTION_STATES, DESTINATION_STATES, type Metrics } from '../telemetry/metrics.ts'
import type { ApiDeps } from './deps.ts'

/** Refreshes the gauges that are read from the store: states, lag, backlog, dead letters. */
export function createCollector({
  config,
  store,
  dispatch,
  metrics,
  clock,
  version,
}: Pick<ApiDeps, 'config' | 'store' | 'dispatch' | 'metrics' | 'clock' | 'version'>): () => Promise<void> {
  return async () => {
    const [rows, backlog, letters, unpublished, quarantine, endpoints, paused] = await Promise.all([
      store.connections.list(),
      store.lanes.backlog(),
      store.deadLetters.counts(),
      store.verify.unpublished(),
      store.quarantine.summary(),
      store.endpoints.list(),
      store.pauses.list(),
    ])
    const now = clock.now()
    const configured = new Set(config.connections.map(({ id }) => id))
    metrics.connectionLag.reset()
    for (const row of rows) {
      const lag = lagMs(row, now)
      if (lag !== null && configured.has(row.id)) metrics.connectionLag.set({ connection: row.id }, lag / 1000)
    }
    const enabled = new Set(config.connections.flatMap(each => (each.enabled ? each.id : [])))
    tellStates(
      metrics,
      rows.filter(({ id }) => enabled.has(id)),
      now,
    )
    metrics.unpublished.reset()
    for (const id of configured) metrics.unpublished.set({ connection: id }, 0)
    for (const { connection, count } of unpublished) metrics.unpublished.set({ connection }, count)
    metrics.quarantine.reset()
    for (const id of configured) metrics.quarantine.set({ connection: id }, 0)
    for (const { connection, count } of quarantine) metrics.quarantine.set({ connection }, count)
    metrics.destinationState.reset()
    const states = new Map<string, string>(endpoints.map(({ id, state }) => [id, state]))
    for (const { id, kind, state } of dispatch?.destinations() ?? [])
      if (kind === 'handler') states.set(id, paused.has(id) ? 'paused' : state)
      else if (state === 'open' && states.get(id) === 'active') states.set(id, 'open')
    for (const [destination, now] of states)
      for (const state of DESTINATION_STATES)
        metrics.destinationState.set({ destination, state }, state === now ? 1 : 0)
    metrics.buildInfo.set({ version, node: process.versions.node }, 1)
    metrics.backlog.reset()
    metrics.backlogOldest.reset()
    metrics.deadLetters.reset()
    const known = new Map((dispatch?.destinations() ?? []).map(view => [view.id, view]))
    for (const destination of new Set([...known.keys(), ...backlog.keys(), ...letters.keys()])) {
      const waiting = backlogOf(backlog.get(destination), known.get(destination)?.inMemory)
      const oldest = waiting.oldestObservedAt
      metrics.backlog.set({ destination }, waiting.size)
      metrics.backlogOldest.set({ destination }, oldest === null ? 0 : Math.max(0, now - oldest) / 1000)
      metrics.deadLetters.set({ destination }, letters.get(destination) ?? 0)
    }
  }
}

/** A connection that is turned off in the configuration has no state. */
function tellStates(
  { connectionState, connectionNotice }: Metrics,
  enabled: readonly ConnectionRow[],
  now: number,
): void {
  connectionState.reset()
  connectionNotice.reset()
  for (const row of enabled) {
    const connection = row.id
    for (const state of CONNECTION_STATES) connectionState.set({ connection, state }, state === row.state ? 1 : 0)
    connectionNotice.set({ connection, notice: 'webhooks-silent' }, isSilent(row, now) ? 1 : 0)
    connectionNotice.set({ connection, notice: 'clock' }, row.clockAheadMs === null ? 0 : 1)
  }
}

interface Waiting {
  readonly size: number
  readonly oldestObservedAt: number | null
}

/** The backlog of a destination: in the store and in the memory of this process together. */
export function backlogOf(...places: readonly (Waiting | undefined)[]): Waiting {
  const sizes = places.map(place => place?.size ?? 0)
  const times = places.flatMap(place => place?.oldestObservedAt ?? [])
  return {
    size: sizes.reduce((sum, size) => sum + size, 0),
    oldestObservedAt: times.length === 0 ? null : Math.min(...times),
  }
}
