import type { ErrorData } from '../../lib/accidents.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../telemetry/log.ts'
import type { HandlerContext } from './define-handler.ts'

/** Log lines and errors of a handler, during one delivery or outside of any. */
export interface HandlerReport {
  readonly log: HandlerContext['log']
  /** An error that nobody caught. `inFlight`: it fails the delivery. */
  accident(error: ErrorData, inFlight: boolean): void
  threw(error: ErrorData): void
}

/** Writes a handler's log lines, errors and uncaught errors to the log. `event` null: outside of any delivery. */
export function reportOf(log: Log, handler: string, event: string | null): HandlerReport {
  const marked = (fields: Record<string, unknown> = {}) => ({ ...fields, handler, ...(event !== null && { event }) })
  const lines: HandlerContext['log'] = {
    info: (message, fields) => log.info(marked(fields), message),
    warn: (message, fields) => log.warn(marked(fields), message),
    error: (message, fields) => log.error(marked(fields), message),
  }
  return {
    log: lines,
    accident: (error, inFlight) =>
      lines.error(
        inFlight
          ? 'an error in a handler that it does not catch or wait for; the delivery fails'
          : 'an error in a handler that it does not catch or wait for; no delivery depends on it any more',
        described(error),
      ),
    threw: error => log.debug(marked(described(error)), 'the handler threw'),
  }
}

const described = ({ name, message, stack }: ErrorData): Record<string, unknown> => ({
  error: messageOf(message),
  name,
  ...(stack !== null && { stack }),
})
