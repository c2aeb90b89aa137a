import { type buildConnector, type Dispatcher, Pool } from 'undici'
import type { Clock } from '../../lib/clock.ts'
import { createEqualTimers, type EqualTimers } from '../../lib/equal-timers.ts'
import { messageOf } from '../../lib/errors.ts'
import { type ForwardProxy, throughProxy } from '../../lib/forward-proxy.ts'
import { connectorWith, type HostCertificates } from '../../lib/host-certificates.ts'
import { onAbort } from '../../lib/on-abort.ts'
import { isOutOfFiles, OUT_OF_FILES, patientConnector } from '../../lib/open-files.ts'
import { type Guard, refused } from './egress.ts'
import { excerpt, READ_LIMIT } from './excerpt.ts'

/** Posts bodies over keep-alive connections, each within its timeout, to permitted addresses only. Redirects are not followed. */
export interface Sender {
  /** Never rejects. */
  send(request: Request): Promise<Answer>
  /** Closes idle connections at once, and the others when their request ends. */
  close(): Promise<void>
}

interface Request {
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: string | Buffer
  /** The limit for everything up to the answer's status, milliseconds. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** The headers that are read; a repeated header is joined with `, `. */
type AnswerHeaders = Readonly<Partial<Record<(typeof READ_HEADERS)[number], string>>>

export type Answer =
  | {
      readonly kind: 'answered'
      readonly statusCode: number
      readonly headers: AnswerHeaders
      /** Beginning of the body, redacted; null: empty. */
      readonly response: string | null
    }
  | { readonly kind: 'failed' | 'aborted'; readonly error: string }

/** The status decides. A slow body is awaited this much longer, within the timeout. */
const BODY_WAIT = 1_000
/** How long a name that the proxy resolves is looked for here. */
const KNOWN_WITHIN = 2_000
/** The limit for connecting. Without it attempts would pile up at a host that drops packets. */
const CONNECT_WITHIN = 10_000
const POOL_IDLE = 60_000
const TARGETS = 1_000
const NOWHERE = { origin: '', pathname: '', search: '' }
const READ_HEADERS = ['content-encoding', 'date', 'retry-after'] as const
/** A larger request body may be answered before all of it is read; its rest must not become the next request. Bytes. */
const LARGE = 64 * 1024
/** A destination has at most 1000 deliveries in flight. */
const CONNECTIONS = 1_000

/** `connectMs`: the limit for connecting, TLS included. */
export function createSender(deps: {
  guard: Guard
  clock: Clock
  proxy?: ForwardProxy | null
  certificates?: readonly HostCertificates[]
  connectMs?: number
}): Sender {
  const { guard, clock, proxy = null, certificates = [], connectMs = CONNECT_WITHIN } = deps
  const pools = new Map<string, { pool: Pool; active: number; usedAt: number }>()
  const timers = createEqualTimers(clock)
  const targets = new Map<string, { problem: string | null; origin: string; path: string }>()
  const direct = guarded(guard, certificates, connectMs)
  const tls = connectorWith(certificates, { allowH2: false, timeout: connectMs })
  const connect = patientConnector(
    proxy ? guardedTunnel({ proxy, guard, clock, direct, tls, timeoutMs: connectMs }) : direct,
    {
      clock,
      withinMs: connectMs,
      makeRoom: () => closeIdle(0),
    },
  )
  let sweeping: (() => void) | null = null

  function poolOf(origin: string) {
    let entry = pools.get(origin)
    if (!entry) {
      const pool = new Pool(origin, {
        connect,
        connections: CONNECTIONS,
        pipelining: 1,
        headersTimeout: 0,
        bodyTimeout: 0,
        maxHeaderSize: READ_LIMIT,
      })
      entry = { pool, active: 0, usedAt: 0 }
      pools.set(origin, entry)
      sweeping ??= clock.after(POOL_IDLE, sweep)
    }
    return entry
  }

  /** Checked URLs: the result for a URL never changes, and a check costs as much as a signature. */
  function targetOf(url: string) {
    let target = targets.get(url)
    if (!target) {
      const problem = guard.checkUrl(url)
      const { origin, pathname, search } = problem ? NOWHERE : new URL(url)
      target = { problem, origin, path: pathname + search }
      if (targets.size >= TARGETS) targets.clear()
      targets.set(url, target)
    }
    return target
  }

  function closeIdle(idleMs: number): void {
    const now = clock.monotonic()
    for (const [origin, { pool, active, usedAt }] of pools) {
      if (active > 0 || now - usedAt < idleMs) continue
      pools.delete(origin)
      void pool.close()
    }
  }

  function sweep(): void {
    closeIdle(POOL_IDLE)
    sweeping = pools.size > 0 ? clock.after(POOL_IDLE, sweep) : null
  }

  return {
    send(request) {
      if (request.signal.aborted) return Promise.resolve({ kind: 'aborted', error: 'aborted' })
      const { problem, origin, path } = targetOf(request.url)
      if (problem) return Promise.resolve({ kind: 'failed', error: refused(problem).message })
      const entry = poolOf(origin)
      entry.active++
      return exchange(entry.pool, path, request, timers, () => {
        entry.active--
        entry.usedAt = clock.monotonic()
      })
    },
    async close() {
      sweeping?.()
      const open = [...pools.values()]
      pools.clear()
      await Promise.all(open.map(({ pool }) => pool.destroy()))
    },
  }
}

/** One request on a pool; `ended` is called with its end. A small handler object is undici's cheapest way to send. */
function exchange(pool: Pool, path: string, request: Request, timers: EqualTimers, ended: () => void): Promise<Answer> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    let read = 0
    let status: { statusCode: number; headers: AnswerHeaders } | null = null
    let controller: Dispatcher.DispatchController | null = null
    let over = false
    let cut: (() => void) | null = null

    const timer = timers.after(request.timeoutMs, () => {
      finish({ kind: 'failed', error: `no answer within ${request.timeoutMs} ms` })
    })
    const forget = onAbort(request.signal, () => finish({ kind: 'aborted', error: 'aborted' }))

    /** Ends the exchange. Once there is a status, it is the result, whatever happened to the body. */
    function finish(otherwise: Answer | null): void {
      if (over) return
      over = true
      timer()
      cut?.()
      forget()
      ended()
      if (otherwise) controller?.abort(CUT)
      if (status)
        resolve({ kind: 'answered', ...status, response: excerpt(chunks, status.headers['content-encoding']) })
      else resolve(otherwise ?? { kind: 'failed', error: 'no answer' })
    }

    /** Most answers have ended by now: they are short, and came as a whole. */
    function awaitBody(): void {
      if (!over) cut = timers.after(BODY_WAIT, () => finish({ kind: 'failed', error: 'cut' }))
    }

    pool.dispatch(
      {
        path,
        method: 'POST',
        headers: request.headers,
        body: request.body,
        reset: Buffer.byteLength(request.body) > LARGE,
      },
      {
        onRequestStart(started) {
          controller = started
          if (over) started.abort(CUT)
        },
        onResponseStart(_, statusCode, headers) {
          if (statusCode < 200) return
          status = { statusCode, headers: joined(headers) }
          queueMicrotask(awaitBody)
        },
        onResponseData(_, chunk) {
          if (over) return
          chunks.push(chunk)
          read += chunk.length
          if (read >= READ_LIMIT) finish({ kind: 'failed', error: 'cut' })
        },
        onResponseEnd() {
          finish(null)
        },
        onResponseError(_, error) {
          finish({ kind: 'failed', error: reasonOf(error) })
        },
      },
    )
  })
}

function joined(headers: Readonly<Record<string, string | string[] | undefined>>): AnswerHeaders {
  const read: { -readonly [name in keyof AnswerHeaders]: AnswerHeaders[name] } = {}
  for (const name of READ_HEADERS) {
    const value = headers[name]
    if (value !== undefined) read[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return read
}

const CUT = new DOMException('the rest of the answer is not wanted', 'AbortError')

/** The cause of undici's errors says more than the error. */
function reasonOf(error: Error): string {
  if (isOutOfFiles(error)) return OUT_OF_FILES
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0])
  const { cause } = error
  return cause instanceof Error ? `${messageOf(error)}: ${messageOf(cause)}` : messageOf(error)
}

/**
 * Through the proxy, which resolves the name: literal addresses are checked as always, and names by what they are here, if this machine
 * knows them. The rest is up to the proxy.
 */
function guardedTunnel(deps: {
  proxy: ForwardProxy
  guard: Guard
  clock: Clock
  direct: buildConnector.connector
  tls: buildConnector.connector
  timeoutMs: number
}): buildConnector.connector {
  const { proxy, guard, clock, direct, tls, timeoutMs } = deps
  function permit(hostname: string, go: (refusal: Error | null) => void): void {
    // Where a proxy resolves names, this machine may have no name server that answers.
    const stop = clock.after(KNOWN_WITHIN, () => go(null))
    guard.checkName(hostname, refusal => {
      stop()
      go(refusal)
    })
  }
  return throughProxy(proxy, { clock, direct, tls, timeoutMs, permit })
}

/** Connects to permitted addresses only. Checks literal addresses first, names in the guard's lookup, and the socket's address last. */
function guarded(guard: Guard, certificates: readonly HostCertificates[], timeout: number): buildConnector.connector {
  const connect = connectorWith(certificates, {
    allowH2: false,
    timeout,
    lookup: guard.lookup,
    autoSelectFamily: true,
  })
  return (options, callback) => {
    connect(options, (...[error, socket]) => {
      if (error) return callback(error, null)
      const problem = guard.checkAddress(socket.remoteAddress ?? '')
      if (!problem) return callback(null, socket)
      socket.destroy()
      callback(refused(problem), null)
    })
  }
}
