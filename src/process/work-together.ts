import { AppError, messageOf } from '../lib/errors.ts'

/** The working parts of a process. */
interface Parts {
  readonly ingest: { run(signal: AbortSignal): Promise<void> } | null
  /** `start` gets a signal that aborts when the work ends. */
  readonly dispatch: { start(until: AbortSignal): Promise<void>; stop(graceMs: number): Promise<void> } | null
  /** Starts to delete old records; returns how to stop. */
  startRetention(): () => void
  /** How long work in flight may take at the end, milliseconds. */
  readonly graceMs: number
}

/**
 * Runs all parts until the signal aborts, then stops them. If one part fails, the others are stopped too, and it rejects: a process that has
 * stopped polling but looks alive is worse than one that ends.
 */
export async function workTogether(
  { ingest, dispatch, startRetention, graceMs }: Parts,
  signal: AbortSignal,
): Promise<void> {
  const ending = new AbortController()
  const until = AbortSignal.any([signal, ending.signal])
  const stopRetention = startRetention()
  try {
    await dispatch?.start(until)
    await Promise.all([ingest?.run(until), aborted(until)])
  } catch (error) {
    // Errors after the abort are only consequences of it.
    if (!signal.aborted) throw failed(error)
  } finally {
    ending.abort()
    stopRetention()
    await dispatch?.stop(graceMs)
  }
}

const failed = (error: unknown): AppError =>
  new AppError(
    `Polling or delivering stopped with an error, so this process ends: ${messageOf(error)} Start it again; nothing is lost. The log says what came before.`,
    { code: 'work.failed', intent: 'retry', cause: error },
  )

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve =>
    signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
  )
