import { Agent, buildConnector, type Dispatcher, request } from 'undici'
import type { RateLimit } from '../../../schemas/config.ts'
import { pauseAfter } from '../../lib/back-off.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { parseJson } from '../../lib/exact-json.ts'
import { type ForwardProxy, isProxyError, throughProxy } from '../../lib/forward-proxy.ts'
import { parseHttpDate } from '../../lib/http-date.ts'
import { isOutOfFiles, OUT_OF_FILES, patientConnector } from '../../lib/open-files.ts'
import { retryAfterMs } from '../../lib/retry-after.ts'
import type { Log } from '../../telemetry/log.ts'
import { readText } from './body.ts'
import { aborted, createPace, type Pace, type Priority } from './pace.ts'

/**
 * The way to one vendor's API, for one connection. Promises:
 * - requests leave at the pace allowed, `live` before `backfill`; after a 429 nothing leaves until the rest asked for is over,
 *   and the pace is halved and recovers slowly
 * - redirects are not followed; an answer takes at most 30 s and 16 MiB
 * - what is not a 2xx (nor listed in `accept`) is an AppError: 429, 5xx and network trouble are `retry`, 401 and 403 `stop`,
 *   an answer too large `narrow`, anything else `retry` with what was answered
 * - no error carries headers, query values or bodies: method, path (or `label`) and status only
 * It repeats no request by itself: that is for the poll loop to decide.
 */
export interface VendorHttp {
  get(path: string, options: GetOptions): Promise<VendorResponse>
  /** The vendor's clock in milliseconds: ours, corrected by the `Date` of its answers. Never ahead of the vendor by more than the clocks drift. */
  vendorNow(): number
  /** False: no answer with a `Date` yet, `vendorNow` is our own clock. */
  readonly offsetKnown: boolean
  close(): Promise<void>
}

export interface GetOptions {
  readonly signal: AbortSignal
  readonly priority: Priority
  /** Members with null or undefined are left out; lists become repeated keys. A string is taken as it is, already encoded. */
  readonly query?: Query | string
  readonly headers?: Readonly<Record<string, string>>
  /** Statuses besides 2xx that are an answer to the caller, not an error. */
  readonly accept?: readonly number[]
  /** Stands for the path in messages, where the path holds a secret. */
  readonly label?: string
}

export type Query = Readonly<Record<string, QueryValue | readonly QueryValue[] | null | undefined>>
type QueryValue = string | number

export interface VendorResponse {
  readonly status: number
  /** Names in lower case; a header given several times is joined with `, `. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** See `parseJson`: whole numbers beyond 2^53 come as strings. Throws `retry` if the text is not JSON. */
  json(): unknown
}

export interface VendorHttpOptions {
  /** The connection's id, for log lines. */
  readonly connection: string
  /** Its path is kept: base `…/openapi` and path `/v1/order/orders` make `…/openapi/v1/order/orders`. */
  readonly baseUrl: string
  readonly limit: RateLimit
  /** Shared with other connections; default: one of its own by `limit`. */
  readonly pace?: Pace
  readonly clock: Clock
  readonly log?: Pick<Log, 'warn'>
  readonly proxy?: ForwardProxy | null
  /** Instead of real connections, in tests. */
  readonly dispatcher?: Dispatcher
}

const CONNECT_TIMEOUT = 10_000
const ANSWER_TIMEOUT = 30_000
const REFUSAL_TIMEOUT = 5_000
const LAST_TIME = Date.UTC(9000, 0)
const REFUSED = { firstMs: 2_000, longestMs: 300_000 }

export function createVendorHttp(options: VendorHttpOptions): VendorHttp {
  const { clock, log, connection } = options
  const base = options.baseUrl.replace(/[?#].*$/, '').replace(/\/+$/, '')
  const pace = options.pace ?? createPace(options)
  const direct = buildConnector({ timeout: CONNECT_TIMEOUT })
  const connect = options.proxy
    ? throughProxy(options.proxy, { clock, direct, tls: direct, timeoutMs: CONNECT_TIMEOUT })
    : direct
  const connector = patientConnector(connect, { clock, withinMs: CONNECT_TIMEOUT })
  const own = options.dispatcher ? null : new Agent({ connect: connector, connections: 8 })
  const dispatcher = options.dispatcher ?? own ?? undefined
  let offset: number | null = null
  let refusals = 0

  /**
   * `Date` is cut to the second and old by the way it travelled, so every answer is a lower bound of the vendor's clock; of
   * bounds that agree the highest is the closest.
   */
  function readDate(date: string | undefined): void {
    const sent = date === undefined ? null : parseHttpDate(date, clock.now())
    // Beyond that year there are no times that vendors could be asked with.
    if (sent === null || sent <= 0 || sent >= LAST_TIME) return
    const seen = sent - clock.now()
    offset = offset !== null && Math.abs(seen - offset) <= 1000 ? Math.max(seen, offset) : seen
  }

  /** How long the vendor wants to be left alone, with jitter so that several processes do not come back together. */
  function restOf(headers: VendorResponse['headers'], now: number): number {
    const ms = retryAfterMs(headers, now) ?? pauseAfter(refusals, REFUSED)
    return ms + Math.round(Math.random() * Math.max(250, Math.min(ms / 10, 30_000)))
  }

  /** Throws for what is no answer to the caller; takes from every answer what it says about time and pace. */
  function check(status: number, headers: VendorResponse['headers'], where: string, accept: readonly number[]): void {
    readDate(headers.date)
    if (status === 429 || (status === 503 && headers['retry-after'] !== undefined)) {
      // Requests that were in flight together are refused together: that is one refusal.
      if (pace.resting() === 0) refusals += 1
      const ms = restOf(headers, clock.now() + (offset ?? 0))
      pace.rest(ms)
      log?.warn({ connection, status, restMs: ms }, 'the vendor asked for a pause')
      throw new AppError(`${where} answered ${status}: too many requests. It is asked again in ${seconds(ms)}.`, {
        code: status === 429 ? 'vendor.rate_limited' : 'vendor.unavailable',
        intent: 'retry',
        retryAfterMs: ms,
      })
    }
    if (accept.includes(status)) return
    if (status >= 200 && status < 300) {
      refusals = 0
      pace.recover()
      return
    }
    throw statusError(status, where)
  }

  return {
    vendorNow: () => clock.now() + (offset ?? 0),
    get offsetKnown() {
      return offset !== null
    },
    async get(path, { signal, priority, query, headers, accept = [], label }) {
      const search = typeof query === 'string' ? query : encodeQuery(query ?? {})
      const where = `GET ${label ?? path}`
      await pace.take(priority, signal)
      const call = new AbortController()
      const callOff = () => call.abort()
      signal.addEventListener('abort', callOff, { once: true })
      const stopTimer = clock.after(ANSWER_TIMEOUT, callOff)
      try {
        const answer = await request(`${base}${path}${search && `?${search}`}`, {
          method: 'GET',
          headers: { accept: 'application/json', 'accept-encoding': 'identity', 'user-agent': 'orderwire', ...headers },
          signal: call.signal,
          headersTimeout: ANSWER_TIMEOUT,
          bodyTimeout: ANSWER_TIMEOUT,
          ...(dispatcher && { dispatcher }),
        })
        const status = answer.statusCode
        const answerHeaders = flatten(answer.headers)
        try {
          check(status, answerHeaders, where, accept)
        } catch (error) {
          // What a refusal says is read only so far, and so long, that the connection can be used again.
          const stopDump = clock.after(REFUSAL_TIMEOUT, () => call.abort())
          void answer.body
            .dump({ limit: 16_384 })
            .catch(() => {})
            .finally(stopDump)
          throw error
        }
        const text = await readText(answer.body, answerHeaders['content-encoding'], where)
        return { status, headers: answerHeaders, text, json: () => parseJson(text, where) }
      } catch (error) {
        if (error instanceof AppError && !isProxyError(error)) throw error
        if (signal.aborted) throw aborted(signal)
        throw networkError(error, where, call.signal.aborted)
      } finally {
        stopTimer()
        signal.removeEventListener('abort', callOff)
      }
    },
    close: async () => {
      await own?.destroy()
    },
  }
}

/** `a=1&b=x&b=y`: in the order given, percent-encoded, empty members left out. */
function encodeQuery(query: Query): string {
  const pairs: string[] = []
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined) continue
    for (const one of typeof value === 'object' ? value : [value])
      pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(String(one))}`)
  }
  return pairs.join('&')
}

const seconds = (ms: number) => `${Math.ceil(ms / 1000)} s`

function flatten(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value
  return flat
}

/** The error of a status that is no answer. */
export function statusError(status: number, where: string): AppError {
  if (status === 401 || status === 403)
    return new AppError(
      `${where} answered ${status}: the vendor refuses our credentials. Check the connection's token or secret and its permissions.`,
      { code: 'vendor.unauthorized', intent: 'stop' },
    )
  if (status >= 300 && status < 400)
    return new AppError(
      `${where} answered ${status}, a redirect, and redirects are not followed. Set baseUrl to the address itself.`,
      { code: 'vendor.redirect', intent: 'retry' },
    )
  if (status >= 500)
    return new AppError(`${where} answered ${status}: the vendor has a problem of its own.`, {
      code: 'vendor.unavailable',
      intent: 'retry',
    })
  return new AppError(
    `${where} answered ${status}, expected 200. Check the connection's baseUrl and API version if it stays so.`,
    { code: 'vendor.refused', intent: 'retry' },
  )
}

function networkError(error: unknown, where: string, timedOut: boolean): AppError {
  if (isOutOfFiles(error))
    return new AppError(`${where} was not asked: ${OUT_OF_FILES}.`, {
      code: 'vendor.unreachable',
      intent: 'retry',
      cause: error,
    })
  if (isProxyError(error))
    return new AppError(`${where} failed. ${error.message}`, {
      code: 'vendor.unreachable',
      intent: 'retry',
      cause: error,
    })
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  if (timedOut || /TIMEOUT|ETIMEDOUT/.test(code))
    return new AppError(`${where} was not answered in time.`, {
      code: 'vendor.timeout',
      intent: 'retry',
      cause: error,
    })
  return new AppError(`${where} failed: the vendor cannot be reached or hung up (${code}).`, {
    code: 'vendor.unreachable',
    intent: 'retry',
    cause: error,
  })
}
