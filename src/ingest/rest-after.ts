import { pauseAfter } from '../lib/back-off.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { WakeUp } from '../lib/wake-up.ts'
import type { Log } from '../telemetry/log.ts'
import type { Loop, Troubles } from './troubles.ts'

/** How the loops of a connection wait after a failure. */

const LONGEST_MS = 600_000
const RETRY_MS = 15_000
/** After refused credentials the vendor is asked this rarely: a person has to act. */
export const STOPPED_PAUSE_MS = 15 * 60_000

/** Errors of the store end the lease. No loop tries again by itself. */
export const isStoreError = (error: unknown): boolean => error instanceof AppError && error.code.startsWith('store.')

/**
 * Waits after a failure: as long as the vendor asked for, else `firstMs`, doubled for each failure in a row before. After refused
 * credentials it then waits for a poll that went well.
 */
export async function restAfter(
  error: unknown,
  options: { failures: number; firstMs: number; pollWentWell: WakeUp; clock: Clock; signal: AbortSignal },
): Promise<void> {
  const { failures, firstMs, pollWentWell, clock, signal } = options
  const { intent, retryAfterMs } = error instanceof AppError ? error : { intent: 'retry', retryAfterMs: undefined }
  await clock.sleep(retryAfterMs ?? pauseAfter(failures, { firstMs, longestMs: LONGEST_MS }), signal)
  if (intent === 'stop') await pollWentWell.wait(signal, STOPPED_PAUSE_MS)
}

/** Runs a step until it succeeds or the lease ends. Errors of the store end the lease. `run` resolves with what is still wrong; null: nothing. */
export async function repeatedly(
  { signal }: { readonly signal: AbortSignal },
  options: { loop: Loop; message: string; pollWentWell: WakeUp; troubles: Troubles; clock: Clock; log: Log },
  run: () => Promise<string | null>,
): Promise<void> {
  const { loop, message, pollWentWell, troubles, clock, log } = options
  while (!signal.aborted) {
    try {
      return troubles.report(loop, await run())
    } catch (error) {
      if (signal.aborted) return
      if (isStoreError(error)) throw error
      log.warn({ error: messageOf(error) }, message)
      troubles.report(loop, messageOf(error))
      await restAfter(error, { failures: 1, firstMs: RETRY_MS, pollWentWell, clock, signal })
    }
  }
}
