import type { Settings } from '../config/environment.ts'
import type { Clock } from '../lib/clock.ts'
import type { AppError } from '../lib/errors.ts'
import type { Lease } from '../store/port/leases.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createEmbeddedLog } from './embedded.ts'
import type { EventLog } from './event-log.ts'

/** Kafka where brokers are set, else the store itself. */
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
  /** The lease under which this process works, where two are a pair, and whether it is certainly still ours. */
  pair?: { lease: () => Lease | null; isFresh: () => boolean }
}): Promise<EventLog> {
  const { settings, store, clock, log, pair } = deps
  if (!settings.kafka)
    return createEmbeddedLog({ store, clock, log, ...(pair && { lease: pair.lease, fresh: pair.isFresh }) })
  const { createKafkaLog } = await import('./kafka/kafka-log.ts')
  return createKafkaLog({ ...deps, ...settings.kafka, clientId: 'orderwire' })
}
