import { createBackOff } from '../lib/back-off.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../telemetry/log.ts'

const RETRY = { firstMs: 100, longestMs: 5_000 }

/**
 * Retries a call to the store until it succeeds: without its store the dispatcher waits and loses nothing.
 * Every write must be safe to repeat, because one that failed may still have happened.
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
    const backOff = createBackOff(RETRY)
    for (;;) {
      try {
        const result = await run()
        failing.delete(ticket)
        return result
      } catch (error) {
        const message = messageOf(error)
        const pauseMs = backOff.next()
        failing.set(ticket, `the store fails at ${what}: ${message}`)
        deps.log.error({ error: message, retryInMs: pauseMs }, `the store fails at ${what}; trying again`)
        await deps.clock.sleep(pauseMs, deps.signal)
        if (deps.signal.aborted) {
          failing.delete(ticket)
          return null
        }
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
