import { STATUS_CODES } from 'node:http'
import type { FieldError } from '../../schemas/api.ts'
import { AppError } from '../lib/errors.ts'

/** Kinds of problems; the `type` of each is `urn:orderwire:problem:<kind>`. */
const KINDS: Readonly<Record<number, string>> = {
  400: 'invalid-request',
  401: 'unauthorized',
  403: 'foreign-origin',
  404: 'not-found',
  405: 'method-not-allowed',
  409: 'conflict',
  413: 'too-large',
  415: 'unsupported-media-type',
  500: 'internal',
  502: 'vendor-failed',
  503: 'unavailable',
}

export interface RefusalOptions {
  readonly errors?: readonly FieldError[]
  readonly headers?: Readonly<Record<string, string>>
  /** Instead of the usual kind of this status. */
  readonly kind?: string
}

/** An error that is answered as a problem with this status. */
export class Refusal extends AppError {
  readonly status: number
  readonly errors: readonly FieldError[] | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, detail: string, { errors, headers = {} }: RefusalOptions = {}) {
    super(detail, { code: `http.${KINDS[status] ?? status}`, intent: 'fix' })
    this.status = status
    this.errors = errors
    this.headers = headers
  }

  answer(): Response {
    return problem(this.status, this.message, { headers: this.headers, ...(this.errors && { errors: this.errors }) })
  }
}

/** 400 with the path and the fault of each wrong member or parameter. */
export function invalid(errors: readonly FieldError[]): Refusal {
  const [first] = errors
  const rest = errors.length > 1 ? ` (and ${errors.length - 1} more, see errors)` : ''
  return new Refusal(400, first ? `${first.path || 'body'}: ${first.message}${rest}` : 'The request is not valid.', {
    errors,
  })
}

export const notFound = (what: string): Refusal => new Refusal(404, what)

/** A problem as RFC 9457 describes it. `more`: further members. */
export function problem(
  status: number,
  detail: string,
  { errors, headers, kind, more }: RefusalOptions & { more?: Readonly<Record<string, unknown>> } = {},
): Response {
  const body = {
    type: `urn:orderwire:problem:${kind ?? KINDS[status] ?? status}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    ...(errors && { errors }),
    ...more,
  }
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
  })
}
