import type { Context, MiddlewareHandler } from 'hono'
import ipaddr from 'ipaddr.js'
import { Refusal } from '../problem.ts'

/**
 * Whether the request comes from this machine. The values of forwarding headers are not trusted, because anybody can write them; but a
 * request that has one came through a proxy on this machine, so its client is elsewhere.
 */
export function isLoopback(c: Context): boolean {
  const address: unknown = c.env?.incoming?.socket?.remoteAddress
  if (typeof address !== 'string' || !ipaddr.isValid(address) || ipaddr.process(address).range() !== 'loopback')
    return false
  return !Object.keys(c.req.header()).some(name => FORWARDING.test(name))
}

/** Headers that proxies, load balancers and tunnels add. */
const FORWARDING =
  /^(forwarded|x-forwarded(-.+)?|x-original-(forwarded-for|host)|via|x-real-ip|(x|true|fly|fastly|x-cluster)-client-ip|(cf|do|x)-connecting-ip|cf-ray|x-appengine-user-ip|x-envoy-external-address)$/i

/**
 * Refuses requests that a foreign page could make a browser send: with a foreign name as `Host` (DNS rebinding), with a foreign `Origin`,
 * or as a cross-site fetch (CSRF). An IP literal is not foreign: nobody can make it resolve to another machine.
 */
export function refuseForeign(publicUrls: readonly string[]): MiddlewareHandler {
  const urls = publicUrls.map(url => new URL(url))
  const isPublic = (hostname: string) => urls.some(url => url.hostname === hostname)
  const isLocal = (hostname: string) => hostname === 'localhost' || isIpLiteral(hostname)
  /** Scheme, host and port must match: if the public URL is https, a page served over http is foreign. */
  const isOurs = ({ hostname, origin }: URL) =>
    isPublic(hostname) ? urls.some(url => url.origin === origin) : isLocal(hostname)

  return async (c, next) => {
    const host = c.req.header('host') ?? new URL(c.req.url).host
    const name = siteOf(`http://${host}`)?.hostname
    if (!PROBES.includes(c.req.path) && (name === undefined || !(isLocal(name) || isPublic(name))))
      throw new Refusal(
        403,
        `The Host "${host.slice(0, 100)}" is not an address of this service; use localhost, an IP address, or set ORDERWIRE_PUBLIC_URL.`,
      )
    const origin = c.req.header('origin')
    const site = origin === undefined ? null : siteOf(origin)
    const foreignOrigin = origin !== undefined && !(site && isOurs(site))
    const navigates = c.req.header('sec-fetch-mode') === 'navigate' && ['GET', 'HEAD'].includes(c.req.method)
    if (foreignOrigin || (c.req.header('sec-fetch-site') === 'cross-site' && !navigates))
      throw new Refusal(403, 'Pages of other sites may not use this service.')
    return next()
  }
}

/** Orchestrators call these by the name of a service or container. Their answers contain no secrets. */
const PROBES = ['/healthz', '/readyz']

/** An address of scheme, host and port only; null: it is something else. */
function siteOf(url: string): URL | null {
  const parsed = URL.parse(url)
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username || parsed.password || parsed.pathname !== '/')
    return null
  return parsed
}

const isIpLiteral = (hostname: string): boolean => ipaddr.isValid(hostname.replace(/^\[(.*)\]$/, '$1'))

/** Headers of every answer. Pages set their own content-security-policy. */
export const secureHeaders: MiddlewareHandler = async (c, next) => {
  await next()
  const { headers } = c.res
  if (!headers.has('content-security-policy'))
    headers.set('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
  headers.set('x-content-type-options', 'nosniff')
  headers.set('x-frame-options', 'DENY')
  // Pages say "same-origin": without a referrer, browsers send their forms with the Origin "null".
  if (!headers.has('referrer-policy')) headers.set('referrer-policy', 'no-referrer')
  headers.set('cross-origin-resource-policy', 'same-origin')
}
