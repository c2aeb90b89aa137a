import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * Finds the owner of an uncaught error. Work that a handler starts and does not await may fail at any later time. Node keeps the owner with
 * every timer, socket and promise that the handler made.
 */
export interface Owner {
  /** Takes an error that nobody caught. */
  accident(error: unknown): void
}

const owners = new AsyncLocalStorage<Owner>()

/** Runs `work`. Uncaught errors of anything it starts belong to the owner. */
export const onBehalfOf = <T>(owner: Owner, work: () => T): T => owners.run(owner, work)

/** The owner of the code that runs now; undefined: our own code. */
export const ownerNow = (): Owner | undefined => owners.getStore()

/** Hands an uncaught error to its owner. Call it in the handler of `uncaughtException`. False: the error is our own. */
export function handedOver(error: unknown): boolean {
  const owner = owners.getStore()
  owner?.accident(error)
  return owner !== undefined
}

/** An error as data that can be sent to another thread, with its stack for the log. */
export interface ErrorData {
  readonly name: string
  readonly message: string
  readonly stack: string | null
}

/** Whatever was thrown, described without ever throwing. */
export function errorData(error: unknown): ErrorData {
  try {
    if (error instanceof Error)
      return { name: error.name, message: error.message || error.name, stack: error.stack ?? null }
    return { name: 'Error', message: String(error), stack: null }
  } catch {
    return { name: 'Error', message: 'it threw something that cannot be described', stack: null }
  }
}
