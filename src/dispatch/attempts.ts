import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { AttemptRow, DeliveryStore } from '../store/port/deliveries.ts'
import type { Log } from '../telemetry/log.ts'

/** Writes delivery attempts in batches, for people to look at. Nothing depends on them, and they must not slow a delivery down. */
export interface AttemptRecorder {
  record(attempt: AttemptRow): void
  /** Drops unwritten attempts of a removed destination. */
  forget(destination: string): void
  flush(): Promise<void>
}

const [ROWS, EVERY_MS, RETRY_MS] = [500, 250, 2_000]
/** Attempts kept while the store fails, newest first. */
const KEEP = 10_000

export function createAttemptRecorder(deps: {
  deliveries: Pick<DeliveryStore, 'record'>
  clock: Clock
  log: Log
}): AttemptRecorder {
  let rows: AttemptRow[] = []
  let writing: Promise<void> | null = null
  let cancel: (() => void) | null = null
  let failing = false

  async function write(): Promise<void> {
    cancel?.()
    cancel = null
    const batch = rows
    rows = []
    if (batch.length === 0) return
    try {
      await deps.deliveries.record(batch)
      failing = false
    } catch (error) {
      failing = true
      rows = [...batch, ...rows]
      const lost = rows.length - KEEP
      if (lost > 0) rows = rows.slice(lost)
      deps.log.error({ error: messageOf(error), kept: rows.length, lost: Math.max(0, lost) }, 'attempts not recorded')
    }
  }

  const flush = async (): Promise<void> => {
    while (writing) await writing
    writing = write().finally(() => {
      writing = null
      if (rows.length > 0) schedule()
    })
    await writing
  }
  const schedule = (): void => {
    cancel ??= deps.clock.after(failing ? RETRY_MS : EVERY_MS, () => {
      cancel = null
      void flush()
    })
  }

  return {
    record(attempt) {
      rows.push(attempt)
      if (rows.length >= ROWS && !writing && !failing) void flush()
      else schedule()
    },
    forget(destination) {
      rows = rows.filter(row => row.destination !== destination)
    },
    flush,
  }
}
