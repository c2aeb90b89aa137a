import type { Outcome } from '../../dispatch/destination.ts'
import type { ErrorData } from '../../lib/accidents.ts'

/** The data that a handler's thread starts with. */
export interface ThreadData {
  /** URL of the handler's file. */
  readonly file: string
}

/** To the thread. */
export type ToThread =
  | { readonly kind: 'run'; readonly body: string; readonly attempt: number }
  | { readonly kind: 'abort' }

/** From the thread. */
export type FromThread =
  | { readonly kind: 'ready' }
  /** The file cannot be loaded here. */
  | { readonly kind: 'unfit'; readonly error: ErrorData }
  | {
      readonly kind: 'log'
      readonly level: 'info' | 'warn' | 'error'
      readonly message: string
      readonly fields: Record<string, unknown>
    }
  | { readonly kind: 'accident'; readonly error: ErrorData; readonly inFlight: boolean }
  | { readonly kind: 'threw'; readonly error: ErrorData }
  | { readonly kind: 'end'; readonly outcome: Outcome }
