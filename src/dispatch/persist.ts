import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../telemetry/log.ts'

const [FIRST_PAUSE, LONGEST_PAUSE] = [100, 5_000]

/**
 * Runs what must happen in the store until it does: a store that is away stops the dispatch, and loses nothing of it.
 * Every write handed in may be done twice, as the first time may have happened although it failed.
 */
export interface Persist {
  /** null: the dispatcher stopped before it succeeded. */
  <T>(what: string, run: () => Promise<T>): Promise<T | null>
  /** The same for a write without a result. False: the dispatcher stopped before it succeeded. */
  did(what: string, run: () => Promise<unknown>): Promise<boolean>
  /** null: the store answers; else one sentence. */
  health(): string | null
}

export function createPersist(deps: { clock: Clock; log: Log; signal: AbortSignal }): Persist {
  const failing = new Map<symbol, string>()

  async function persist<T>(what: string, run: () => Promise<T>): Promise<T | null> {
    const ticket = Symbol(what)
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        const result = await run()
        failing.delete(ticket)
        return result
      } catch (error) {
        const message = messageOf(error)
        failing.set(ticket, `the store fails at ${what}: ${message}`)
        deps.log.error({ error: message, retryInMs: pause }, `the store fails at ${what}; trying again`)
      }
      await deps.clock.sleep(pause, deps.signal)
      if (deps.signal.aborted) {
        failing.delete(ticket)
        return null
      }
    }
  }

  const did = async (what: string, run: () => Promise<unknown>): Promise<boolean> => {
    const result = await persist(what, async () => {
      await run()
      return true
    })
    return result === true
  }

  return Object.assign(persist, { did, health: () => failing.values().next().value ?? null })
}
