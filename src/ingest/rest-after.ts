import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { WakeUp } from '../lib/wake-up.ts'
import { STOPPED_PAUSE_MS } from './round.ts'

const LONGEST_MS = 600_000

/** Errors of the store end the lease; no loop tries them again by itself. */
export const isStoreError = (error: unknown): boolean => error instanceof AppError && error.code.startsWith('store.')

/**
 * Waits after a failure before reading goes on: as long as the vendor asked for, else twice as long each time. Refused credentials wait
 * for a poll that went well.
 */
export async function restAfter(
  error: unknown,
  options: { failures: number; firstMs: number; pollWentWell: WakeUp; clock: Clock; signal: AbortSignal },
): Promise<void> {
  const { failures, firstMs, pollWentWell, clock, signal } = options
  const { intent, retryAfterMs } = error instanceof AppError ? error : { intent: 'retry', retryAfterMs: undefined }
  await clock.sleep(retryAfterMs ?? Math.min(firstMs * 2 ** Math.min(failures - 1, 20), LONGEST_MS), signal)
  if (intent === 'stop') await pollWentWell.wait(signal, STOPPED_PAUSE_MS)
}
