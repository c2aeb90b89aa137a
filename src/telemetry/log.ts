import { type Logger, pino } from 'pino'
import { escapeJson } from '../lib/control-characters.ts'
import { type LogStream, MESSAGE, shownEntry } from './metrics.ts'
import { tracing } from './tracing.ts'

export type Log = Logger

/** Values under these keys never reach a log line, at any depth. */
const SECRETS = [
  'token',
  'accessToken',
  'clientSecret',
  'secret',
  'webhookSecret',
  'authorization',
  'apiKey',
  'password',
]

export interface LogOptions {
  readonly level: string
  readonly format: 'pretty' | 'json'
  /** Default: standard output. */
  readonly stream?: LogStream
}

/**
 * Structured logs: one wide line per poll and per delivery. `pretty` is for people, `json` for machines. In both each entry is one line
 * without control characters, whatever a vendor or an endpoint sent.
 */
export async function createLog({ level, format, stream = process.stdout }: LogOptions): Promise<Log> {
  const redact = { paths: SECRETS.flatMap(key => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' }
  const traced = tracing()
  const mixin = traced && { mixin: () => traced.fields() }
  const base = { level, redact, base: null, timestamp: pino.stdTimeFunctions.isoTime, ...mixin }
  if (format === 'json') return pino(base, { write: entry => void stream.write(escapeJson(entry)) })
  const { prettyFactory } = await import('pino-pretty')
  const pretty = prettyFactory({
    colorize: stream.isTTY === true,
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
    // No special printing of errors: their stacks would be extra lines.
    errorLikeObjectKeys: [],
    messageKey: MESSAGE,
  })
  return pino(base, { write: entry => void stream.write(pretty(shownEntry(entry))) })
}
