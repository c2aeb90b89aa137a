import { pino } from 'pino'
import type { EventLog } from '../../../src/event-log/event-log.ts'
import { createKafkaLog, type KafkaLogOptions } from '../../../src/event-log/kafka/kafka-log.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import type { Log } from '../../../src/telemetry/log.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'

/** A log whose lines a test can look at. */
export function memoryLog(): { log: Log; lines: { level: number; msg: string; [key: string]: unknown }[] } {
  const lines: { level: number; msg: string }[] = []
  const log = pino(
    { level: process.env.LOG_LEVEL ?? 'info' },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  )
  return { log, lines }
}

/** The Kafka event log on this broker, with three partitions and in silence unless told otherwise. */
export function openKafkaLog(
  brokers: string,
  options: Partial<KafkaLogOptions> & { topic: string },
): Promise<EventLog> {
  return createKafkaLog({
    brokers: brokers.split(','),
    tls: null,
    sasl: null,
    clientId: 'orderwire-test',
    partitions: 3,
    replication: null,
    clock: systemClock(),
    log: memoryLog().log,
    metrics: createMetrics(),
    ...options,
  })
}
