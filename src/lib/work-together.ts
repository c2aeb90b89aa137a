import { AppError, messageOf } from './errors.ts'

/** The working parts of a process. */
interface Parts {
  readonly ingest: { run(signal: AbortSignal): Promise<void> } | null
  /** `start` gets a signal that aborts when the work ends. */
  readonly dispatch: { start(until: AbortSignal): Promise<void>; stop(graceMs: number): Promise<void> } | null
  /** Begins to delete what is old; returns how to stop. */
  startRetention(): () => void
  /** What is in flight gets this long at the end, milliseconds. */
  readonly graceMs: number
}

/**
 * Works until the signal aborts, and then puts everything down. Where one part fails, the others are put down as well, and it rejects: a process
 * that polls no more but looks alive would be worse than one that ends.
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
    // Not what follows from being stopped while something was under way.
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
