import { AppError, type AppErrorOptions, messageOf } from '../../lib/errors.ts'
import { DEADLOCK } from '../sql/sql.ts'

type Meaning = Pick<AppErrorOptions, 'code' | 'intent'> & { advice: string }

/** SQLSTATE codes and classes that mean something to a caller; the longest match counts. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  '08': { code: 'store.unreachable', intent: 'retry', advice: 'check that it runs and can be reached' },
  '53': { code: 'store.unreachable', intent: 'retry', advice: 'it is out of resources or connections' },
  '53100': { code: 'store.full', intent: 'retry', advice: 'free space on its disk' },
  '58': { code: 'store.io', intent: 'retry', advice: 'check its disk: it may be full or failing' },
  '57P': { code: 'store.unreachable', intent: 'retry', advice: 'it is starting, stopping, or cut us off' },
  '57014': { code: 'store.slow', intent: 'retry', advice: 'the statement took too long and was cancelled' },
  '55P03': { code: 'store.slow', intent: 'retry', advice: 'a lock was not to be had in time' },
  '25P03': { code: 'store.slow', intent: 'retry', advice: 'a transaction stood still too long' },
  '28': { code: 'store.refused', intent: 'fix', advice: 'check user and password in DATABASE_URL' },
  '3D000': { code: 'store.refused', intent: 'fix', advice: 'create the database named in DATABASE_URL' },
  '42501': { code: 'store.refused', intent: 'fix', advice: 'give the user the rights to create and use tables' },
  '3F000': { code: 'store.refused', intent: 'fix', advice: 'create the schema the user works in' },
  '40P01': { code: DEADLOCK, intent: 'retry', advice: 'try again' },
  '40001': { code: DEADLOCK, intent: 'retry', advice: 'try again' },
  '25006': { code: 'store.read_only', intent: 'retry', advice: 'it accepts no writes: a standby, or set read-only' },
  '23': { code: 'store.conflict', intent: 'stop', advice: 'a row that must be unique or complete is not' },
}

/** An error of `pg` as an AppError that names host and port; never the user or the password. */
export function postgresError(error: unknown, place: string): AppError {
  if (error instanceof AppError) return error
  const state = sqlState(error)
  const text = messageOf(error) || 'no answer'
  if (state === null)
    return new AppError(`PostgreSQL at ${place} cannot be reached: ${text}; check that it runs and can be reached.`, {
      code: 'store.unreachable',
      intent: 'retry',
      cause: error,
    })
  const meaning = MEANINGS[state] ?? MEANINGS[state.slice(0, 3)] ?? MEANINGS[state.slice(0, 2)]
  const { code, intent, advice } = meaning ?? { code: 'store.failed', intent: 'stop', advice: 'see the cause' }
  return new AppError(`PostgreSQL at ${place} failed: ${text} (${state}); ${advice}.`, { code, intent, cause: error })
}

/** The SQLSTATE of an error; null: it did not come from the server, so the connection is at fault. */
function sqlState(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null
  // Some of Node's own codes have five letters too (EPIPE). Only errors of the server have a severity.
  return 'severity' in error && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : null
}

/** Conditions that do not pass within a session: the server shuts down, or accepts no writes in it. */
const UNFIT = /^(08|57P|25006|25P03|XX)/

/** Whether not to use the session again. Without an answer of the server its state is unknown. */
export function isUnfit(error: unknown): boolean {
  const state = sqlState(error)
  if (state === null || UNFIT.test(state)) return true
  return error instanceof Error && 'severity' in error && (error.severity === 'FATAL' || error.severity === 'PANIC')
}

/** Whether all other sessions with the server are unfit too: it accepts no writes any more, or stops. */
export const concernsAll = (error: unknown): boolean =>
  error instanceof AppError && /^(57P0[123]|25006)$/.test(sqlState(error.cause) ?? '')
