import { withoutControls } from './control-characters.ts'

/**
 * What the caller should do about an error. Code decides by the intent, never by the message.
 * - `retry`: it may pass (network, 5xx, 429, a page that drifted); try again, not before `retryAfterMs`
 * - `narrow`: the window asked for is too large; ask for a smaller one
 * - `stop`: no retry helps until a person acts (credentials, permissions)
 * - `skip`: this one record is bad; set it aside and go on
 * - `fix`: wrong usage or configuration; the program says so and ends
 */
export type Intent = 'retry' | 'narrow' | 'stop' | 'skip' | 'fix'

export interface AppErrorOptions {
  /** Stable, for programs: `area.what`, e.g. `vendor.rate_limited`. */
  code: string
  intent: Intent
  /** Milliseconds to wait before a retry, where the other side told us. */
  retryAfterMs?: number
  cause?: unknown
}

/** The only error this program throws on purpose. The message says what was expected, what was found and what to do; never a secret. */
export class AppError extends Error {
  readonly code: string
  readonly intent: Intent
  readonly retryAfterMs: number | undefined

  constructor(message: string, { code, intent, retryAfterMs, cause }: AppErrorOptions) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'AppError'
    this.code = code
    this.intent = intent
    this.retryAfterMs = retryAfterMs
  }
}

/** An error's message for a log line, a stored row or an API answer: one line without control characters, at most 500 characters. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error)
  return withoutControls(text).replace(/\s+/g, ' ').slice(0, 500)
}
