import type { OrderEvent } from '../../../schemas/order-event.ts'
import type { Outcome } from '../../dispatch/destination.ts'
import { type ErrorData, errorData, onBehalfOf } from '../../lib/accidents.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Handler, HandlerContext } from './define-handler.ts'

/** One run of a handler's function, in whatever thread. */
export interface HandlerRun {
  /** How the run ended. Never rejects, whatever the function does; pending as long as the function is. */
  readonly outcome: Promise<Outcome>
  /** Ends the run from outside, and aborts the function's signal. */
  end(outcome: Outcome, reason: unknown): void
}

export function runHandler(options: {
  run: Handler['run']
  /** The event's JSON: each run gets its own copy, which it may change. */
  body: string
  attempt: number
  log: HandlerContext['log']
  /** An error that nobody caught. `inFlight`: it fails the delivery. */
  accident: (error: ErrorData, inFlight: boolean) => void
  /** The thrown error, for the log. */
  threw?: (error: ErrorData) => void
}): HandlerRun {
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const abort = new AbortController()
  let over = false
  const settle = (outcome: Outcome) => {
    over = true
    resolve(outcome)
  }
  const failed = (error: unknown) => {
    if (over) return
    options.threw?.(errorData(error))
    settle(failureOf(error))
  }
  const owner = {
    accident(error: unknown) {
      options.accident(errorData(error), !over)
      if (!over) settle(failureOf(error))
    },
  }
  onBehalfOf(owner, () => {
    try {
      const context = { log: options.log, signal: abort.signal, attempt: options.attempt }
      const running: unknown = options.run(JSON.parse(options.body) as OrderEvent, context)
      if (isThenable(running)) Promise.resolve(running).then(() => settle(DELIVERED), failed)
      else settle(DELIVERED)
    } catch (error) {
      failed(error)
    }
  })
  return {
    outcome: promise,
    end(outcome, reason) {
      if (over) return
      settle(outcome)
      // An error in the handler's own abort listener belongs to the handler.
      onBehalfOf(owner, () => abort.abort(reason))
    },
  }
}

export const outcomeOf = (result: Outcome['result'], error: string | null): Outcome => ({
  result,
  statusCode: null,
  error,
  response: null,
  restMs: null,
})

const DELIVERED = outcomeOf('delivered', null)

const failureOf = (error: unknown): Outcome =>
  outcomeOf(isGiveUp(error) ? 'give-up' : 'retry', messageOf(errorData(error).message))

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'

/** Checked by name too, because a handler may have its own copy of the module. */
const isGiveUp = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'name' in error && error.name === 'GiveUp'
