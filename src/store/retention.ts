import type { Config } from '../../schemas/config.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Store } from './store.ts'

const FIRST_MS = 60_000
const EVERY_MS = 3_600_000

/** Deletes once an hour what is older than the retention and not needed any more. Returns how to stop. */
export function startRetention(deps: {
  store: Pick<Store, 'prune'>
  retention: Config['retention']
  /** The group that reads the embedded event log. null: the log is not the store. */
  reader: string | null
  metrics: Pick<Metrics, 'expiredDeadLetters'>
  clock: Clock
  log: Log
  everyMs?: number
}): () => void {
  const { store, retention, reader, metrics, clock, log, everyMs = EVERY_MS } = deps
  const stopping = new AbortController()
  let cancel = clock.after(Math.min(FIRST_MS, everyMs), () => void prune())

  async function prune(): Promise<void> {
    const now = clock.now()
    const { events, attempts, deadLetters } = retention
    try {
      const pruned = await store.prune(
        { events: now - events, attempts: now - attempts, deadLetters: now - deadLetters, reader, now },
        stopping.signal,
      )
      for (const [destination, expired] of pruned.deadLetters) {
        metrics.expiredDeadLetters.inc({ destination }, expired)
        log.warn(
          { destination, expired },
          'dead letters expired: they are older than `retention.deadLetters`, nobody redrove them, and their events were never delivered here',
        )
      }
      if (pruned.events + pruned.attempts > 0)
        log.info({ events: pruned.events, attempts: pruned.attempts }, 'deleted what is older than the retention')
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'could not delete old events; tried again in an hour')
    }
    if (!stopping.signal.aborted) cancel = clock.after(everyMs, () => void prune())
  }

  return () => {
    cancel()
    stopping.abort()
  }
}
