import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * Code of others that runs in this process (a handler): what it starts and does not wait for may fail at any time later, where nobody can
 * catch it. Node keeps the owner with every timer, socket and promise made on its behalf, so the error finds its way back.
 */
export interface Owner {
  /** Takes an error that nobody caught. */
  accident(error: unknown): void
}

const owners = new AsyncLocalStorage<Owner>()

/** Runs `work`; what it starts and nobody catches is the owner's. */
export const onBehalfOf = <T>(owner: Owner, work: () => T): T => owners.run(owner, work)

/** Whose code runs now; undefined: our own. */
export const ownerNow = (): Owner | undefined => owners.getStore()

/** Hands an uncaught error to its owner. To be called where the process learns of it. False: it is our own. */
export function handedOver(error: unknown): boolean {
  const owner = owners.getStore()
  owner?.accident(error)
  return owner !== undefined
}

/** An error as data that crosses to another thread, and its stack for the log. */
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
