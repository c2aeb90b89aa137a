import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type Socket } from 'node:net'
import type { buildConnector } from 'undici'
import type { Clock } from './clock.ts'
import { AppError } from './errors.ts'
import { fitsHost } from './host-pattern.ts'
import { isOutOfFiles } from './open-files.ts'

/** A proxy that outgoing connections go through, by HTTP CONNECT. Of https it sees the addresses only. */
export interface ForwardProxy {
  /** http or https; a user name and password in it are sent to the proxy only. */
  readonly url: URL
  /** Where connections go directly, as `fitsHost` has it. */
  readonly except: readonly string[]
  /** Only https addresses go through it, as `HTTPS_PROXY` has it everywhere. */
  readonly httpsOnly: boolean
}

/** The proxies of both kinds of outgoing requests; null: directly. */
export interface Proxies {
  readonly vendors: ForwardProxy | null
  /** Webhooks and alerts. */
  readonly webhooks: ForwardProxy | null
}

/** Codes of what is wrong with the proxy, not with the address behind it. */
const PROXY_FAILED = 'network.proxy'

export const isProxyError = (error: unknown): error is AppError =>
  error instanceof AppError && error.code === PROXY_FAILED

export interface Target {
  readonly protocol: string
  /** Without brackets. */
  readonly hostname: string
  readonly port: number
}

/** Whether a connection to this address goes through the proxy. */
export function goesThrough({ except, httpsOnly }: ForwardProxy, { protocol, hostname, port }: Target): boolean {
  if (httpsOnly && protocol !== 'https:') return false
  return !except.some(pattern => fitsHost(pattern, hostname, port))
}

/**
 * A connector that goes through the proxy where `goesThrough` says so, and else by `direct`. `tls` secures the tunnel to an https address.
 * `permit` checks the name first, because the proxy resolves it: a refusal ends the attempt. A fault of the proxy is an AppError
 * (`isProxyError`) without the proxy's name, because the owner of an endpoint may read it.
 */
export function throughProxy(
  proxy: ForwardProxy,
  by: {
    readonly clock: Clock
    readonly direct: buildConnector.connector
    readonly tls: buildConnector.connector
    readonly timeoutMs: number
    permit?(hostname: string, callback: (error: Error | null) => void): void
  },
): buildConnector.connector {
  return (options, callback) => {
    const target = targetOf(options)
    if (!goesThrough(proxy, target)) return by.direct(options, callback)
    const permit = by.permit ?? ((_, go) => go(null))
    let asked = false
    permit(target.hostname, refusal => {
      if (asked) return
      asked = true
      if (refusal) return callback(refusal, null)
      openTunnel(proxy, target, by).then(
        socket => {
          if (target.protocol === 'https:') by.tls({ ...options, httpSocket: socket }, callback)
          else callback(null, socket)
        },
        error => callback(error, null),
      )
    })
  }
}

const targetOf = ({ protocol, hostname, port }: buildConnector.Options): Target => ({
  protocol,
  hostname: hostname.replace(/^\[|\]$/g, ''),
  port: Number(port) || (protocol === 'https:' ? 443 : 80),
})

function openTunnel(
  { url }: ForwardProxy,
  { hostname, port }: Target,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<Socket> {
  const place = `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`
  const user = [url.username, url.password].map(decodeURIComponent).join(':')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const credentials = url.username ? { 'proxy-authorization': `Basic ${Buffer.from(user).toString('base64')}` } : {}
  return new Promise((resolve, reject) => {
    const asked = (url.protocol === 'https:' ? httpsRequest : httpRequest)({
      host,
      // Else it is taken from the header `host`, which names the target.
      servername: isIP(host) ? '' : host,
      port: url.port || (url.protocol === 'https:' ? 443 : 80),
      method: 'CONNECT',
      path: place,
      headers: { host: place, ...credentials },
      agent: false,
    })
    const stop = clock.after(timeoutMs, () => {
      reject(failed(`made no connection to ${place} within ${timeoutMs} ms`))
      asked.destroy()
    })
    asked.once('connect', ({ statusCode = 0 }, socket: Socket, head) => {
      stop()
      if (statusCode >= 200 && statusCode < 300) {
        if (head.length > 0) socket.unshift(head)
        return resolve(socket)
      }
      socket.destroy()
      reject(failed(`answered ${statusCode} to CONNECT ${place}${HINTS[statusCode] ?? ''}`))
    })
    // Some proxies answer a refusal as if CONNECT were any other request.
    asked.once('response', response => {
      stop()
      response.destroy()
      reject(failed(`answered ${response.statusCode} to CONNECT ${place}${HINTS[response.statusCode ?? 0] ?? ''}`))
    })
    asked.on('error', error => {
      stop()
      const code = 'code' in error ? String(error.code) : error.name
      reject(isOutOfFiles(error) ? error : failed(`cannot be reached (${code})`, error))
    })
    asked.end()
  })
}

const HINTS: Readonly<Record<number, string>> = {
  403: ': it does not let us there',
  407: ': it wants a user name and password, which go into its URL',
  502: ': it cannot reach that address',
  503: ': it cannot reach that address',
  504: ': it cannot reach that address',
}

const failed = (what: string, cause?: unknown): AppError =>
  new AppError(`The forward proxy ${what}.`, { code: PROXY_FAILED, intent: 'retry', cause })
