import { pino } from 'pino'
import type { Log } from '../../src/telemetry/log.ts'

/** A log for tests that do not look at it. */
export const quietLog: Log = pino({ level: 'silent' })

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

/** A log whose lines a test can read. */
export function recordingLog(): { log: Log; lines: LogLine[] } {
  const lines: LogLine[] = []
  return { lines, log: pino({ level: 'debug' }, { write: (text: string) => void lines.push(JSON.parse(text)) }) }
}
