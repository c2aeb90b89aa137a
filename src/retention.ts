import type { Config } from '../schemas/config.ts'
import type { Clock } from './clock.ts'
import { messageOf } from './errors.ts'
import type { Log } from './observe.ts'
import type { Store } from './store/store.ts'

const FIRST_MS = 60_000
const EVERY_MS = 3_600_000

/** Deletes what is older than the retention, once an hour. Returns how to stop. */
export function startRetention(deps: {
  store: Store
  retention: Config['retention']
  clock: Clock
  log: Log
}): () => void {
  const { store, retention, clock, log } = deps
  const stopping = new AbortController()
  let cancel = clock.after(FIRST_MS, prune)

  function prune(): void {
    const now = clock.now()
    store.prune({ events: now - retention.events, attempts: now - retention.attempts }, stopping.signal).then(
      pruned => {
        if (pruned.events + pruned.attempts > 0) log.info(pruned, 'deleted what is older than the retention')
      },
      error => log.warn({ error: messageOf(error) }, 'could not delete old events; tried again in an hour'),
    )
    cancel = clock.after(EVERY_MS, prune)
  }

  return () => {
    cancel()
    stopping.abort()
  }
}
