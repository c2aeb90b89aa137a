import { hash, timingSafeEqual } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import ipaddr from 'ipaddr.js'
import { Refusal } from './problem.ts'

/** Whether the socket's other end is this machine. Headers are not asked: anybody can write those. */
export function isLoopback(c: Context): boolean {
  const address: unknown = c.env?.incoming?.socket?.remoteAddress
  return typeof address === 'string' && ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback'
}

/** Equal strings, in a time that tells nothing about where they differ. */
export function sameText(a: string, b: string): boolean {
  return timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'))
}

/**
 * Refuses what a foreign page could make a browser send: a `Host` that is a foreign name (DNS rebinding), and an `Origin` or a
 * cross-site fetch that is not ours (CSRF). IP literals are not foreign names: no one can point those elsewhere.
 */
export function refuseForeign(publicUrl: string | null): MiddlewareHandler {
  const publicHost = publicUrl === null ? null : new URL(publicUrl).hostname
  const known = (hostname: string) => hostname === 'localhost' || hostname === publicHost || isIpLiteral(hostname)

  return async (c, next) => {
    const host = c.req.header('host') ?? new URL(c.req.url).host
    const name = hostnameOf(`http://${host}`)
    if (name === null || !known(name))
      throw new Refusal(
        403,
        `The Host "${host.slice(0, 100)}" is not an address of this service; use localhost, an IP address, or set ORDERWIRE_PUBLIC_URL.`,
      )
    const origin = c.req.header('origin')
    const originName = origin === undefined ? null : hostnameOf(origin)
    const foreignOrigin = origin !== undefined && (originName === null || !known(originName))
    const navigates = c.req.header('sec-fetch-mode') === 'navigate' && ['GET', 'HEAD'].includes(c.req.method)
    if (foreignOrigin || (c.req.header('sec-fetch-site') === 'cross-site' && !navigates))
      throw new Refusal(403, 'Pages of other sites may not use this service.')
    return next()
  }
}

function hostnameOf(url: string): string | null {
  const parsed = URL.parse(url)
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username || parsed.password || parsed.pathname !== '/')
    return null
  return parsed.hostname
}

const isIpLiteral = (hostname: string): boolean => ipaddr.isValid(hostname.replace(/^\[(.*)\]$/, '$1'))

/** Headers of every answer. Pages say their own content-security-policy. */
export const secureHeaders: MiddlewareHandler = async (c, next) => {
  await next()
  const { headers } = c.res
  if (!headers.has('content-security-policy'))
    headers.set('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
  headers.set('x-content-type-options', 'nosniff')
  headers.set('x-frame-options', 'DENY')
  headers.set('referrer-policy', 'no-referrer')
  headers.set('cross-origin-resource-policy', 'same-origin')
}
