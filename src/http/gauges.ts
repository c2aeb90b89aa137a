import type { ApiDeps } from './deps.ts'

/** Refreshes the gauges that are read from the store: lag, backlog, dead letters. */
export function createCollector({
  config,
  store,
  dispatch,
  metrics,
  clock,
}: Pick<ApiDeps, 'config' | 'store' | 'dispatch' | 'metrics' | 'clock'>): () => Promise<void> {
  return async () => {
    const [rows, backlog, letters] = await Promise.all([
      store.connections.list(),
      store.lanes.backlog(),
      store.deadLetters.counts(),
    ])
    const now = clock.now()
    const configured = new Set(config.connections.map(({ id }) => id))
    metrics.connectionLag.reset()
    for (const { id, cursor } of rows)
      if (cursor !== null && configured.has(id))
        metrics.connectionLag.set({ connection: id }, Math.max(0, now - cursor) / 1000)
    metrics.backlog.reset()
    metrics.backlogOldest.reset()
    metrics.deadLetters.reset()
    const known = (dispatch?.destinations() ?? []).map(({ id }) => id)
    for (const destination of new Set([...known, ...backlog.keys(), ...letters.keys()])) {
      const waiting = backlog.get(destination)
      const oldest = waiting?.oldestObservedAt ?? null
      metrics.backlog.set({ destination }, waiting?.size ?? 0)
      metrics.backlogOldest.set({ destination }, oldest === null ? 0 : Math.max(0, now - oldest) / 1000)
      metrics.deadLetters.set({ destination }, letters.get(destination) ?? 0)
    }
  }
}
