import { once } from 'node:events'
import { createServer, type Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { type Clock, systemClock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { openFilesLimit } from '../lib/open-files.ts'
import { problem } from './problem.ts'

export interface Served {
  /** With the real port if port 0 was asked for. */
  readonly url: string
  /** Ends streams and idle connections at once, and waits up to `graceMs` for running requests. */
  close(): Promise<void>
}

export interface ServeOptions {
  readonly fetch: (request: Request, env: object) => Response | Promise<Response>
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly clock?: Clock
  /** How long running requests may take after `close`; default 3000. */
  readonly graceMs?: number
  readonly patience?: Patience
}

/** How long a client may take, milliseconds. A slower one is answered 408 and disconnected, so it cannot keep connections open. */
interface Patience {
  /** To send the head of a request, from the opening of the connection. */
  readonly headMs: number
  /** To send a request with its body (1 MiB at most). */
  readonly requestMs: number
  /** Between requests. */
  readonly idleMs: number
  /** How often `headMs` and `requestMs` are checked. */
  readonly checkMs: number
}

const PATIENCE: Patience = { headMs: 10_000, requestMs: 30_000, idleMs: 10_000, checkMs: 2_000 }
/** Names and values of all headers together, bytes; more is 431. */
const MAX_HEADERS = 16 * 1024
/** Half of the files that the process may open: callers must not use up those that it needs to work. */
const maxConnections = (): number => Math.min(2_000, Math.max(8, Math.floor((openFilesLimit() ?? 4_000) / 2)))

/** Starts to listen. Rejects with an AppError (`fix`) if it cannot. */
export async function serveApi({
  fetch,
  host,
  port,
  clock = systemClock(),
  graceMs = 3000,
  patience = PATIENCE,
}: ServeOptions): Promise<Served> {
  const streams = new Set<ServerResponse>()
  const listener = getRequestListener(
    async (request, env) => {
      const response = await fetch(request, env)
      const { outgoing } = env
      const type = response.headers.get('content-type') ?? ''
      if (/^(text\/event-stream|application\/jsonl)/.test(type) && outgoing instanceof ServerResponse) {
        streams.add(outgoing)
        outgoing.once('close', () => streams.delete(outgoing))
      }
      return response
    },
    {
      overrideGlobalObjects: false,
      // Old clients send no Host.
      hostname: 'localhost',
      errorHandler: error => problem(400, `The request could not be read: ${messageOf(error)}`),
    },
  )
  const server = createServer(
    {
      headersTimeout: patience.headMs,
      requestTimeout: patience.requestMs,
      keepAliveTimeout: patience.idleMs,
      connectionsCheckingInterval: patience.checkMs,
      maxHeaderSize: MAX_HEADERS,
    },
    listener,
  )
  server.maxConnections = maxConnections()
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    throw cannotListen(error, host, port)
  }
  return { url: urlOf(server, host), close: () => close(server) }

  async function close(server: Server): Promise<void> {
    if (!server.listening) return
    const closed = new AbortController()
    server.close(() => closed.abort())
    // These never end or take long. Readers of event streams come back with the last id they saw; a verification starts over.
    for (const response of streams) response.end()
    const until = clock.monotonic() + graceMs
    while (!closed.signal.aborted && clock.monotonic() < until) {
      // A connection becomes idle when its request ends.
      server.closeIdleConnections()
      await clock.sleep(20, closed.signal)
    }
    server.closeAllConnections()
  }
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

function cannotListen(error: unknown, host: string, port: number): AppError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const why =
    code === 'EADDRINUSE'
      ? 'it is in use by another program; stop that one, or set PORT to another'
      : code === 'EACCES'
        ? 'the system does not allow it; set PORT to one above 1023'
        : code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND'
          ? 'this machine has no such address; set HOST to one it has'
          : messageOf(error)
  return new AppError(`Cannot listen on ${host}:${port}: ${why}.`, {
    code: 'http.cannot_listen',
    intent: 'fix',
    cause: error,
  })
}
