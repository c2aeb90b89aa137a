import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { AppError } from '../../lib/errors.ts'

/**
 * Keeps outgoing webhooks away from private addresses: whoever may create an endpoint must not reach hosts that only this machine can
 * reach. The address of the connection counts, so a name is checked by what it resolves to, at every connect.
 */
export interface Guard {
  /** Why nothing may be sent to this URL, as one sentence; null: it is allowed (a name is checked when it is resolved). */
  checkUrl(url: string): string | null
  /** Why this address may not be connected to; null: it may. */
  checkAddress(address: string): string | null
  /** Resolves a name to its permitted addresses; fails if it has none. */
  readonly lookup: LookupFunction
  /** Tells why a name that a proxy resolves may not be connected to; null: it may, or this machine does not know it. */
  checkName(hostname: string, callback: (refusal: Error | null) => void): void
}

/** All addresses of a name. */
export type Resolve = (
  hostname: string,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

const resolveBySystem: Resolve = (hostname, callback) =>
  systemLookup(hostname, { all: true, verbatim: true }, (error, addresses) => callback(error, addresses))

/** `allow`: CIDRs that may be reached besides public addresses (`network.allow`). */
export function createGuard(options: { allow: readonly string[]; resolve?: Resolve }): Guard {
  const allowed = options.allow.map(cidr => ipaddr.parseCIDR(cidr))
  const resolve = shared(options.resolve ?? resolveBySystem)

  function checkAddress(text: string): string | null {
    if (!ipaddr.isValid(text)) return `${text} is not an IP address`
    // ipaddr.process turns an IPv4-mapped IPv6 address (::ffff:a.b.c.d) into the IPv4 address.
    const address = ipaddr.process(text)
    const open = allowed.some(([network, bits]) => address.kind() === network.kind() && address.match(network, bits))
    if (open || isPublic(address)) return null
    return `${address} is not a public address (${kindOf(address)}); \`network.allow\` in the configuration opens networks of your own`
  }

  const lookup: LookupFunction = (hostname, { all, family }, callback) => {
    resolve(hostname, (error, addresses) => {
      if (error) return callback(error, [])
      const fit = addresses.filter(one => checkAddress(one.address) === null && (!family || one.family === family))
      const [first] = fit
      if (!first) return callback(refusal(hostname, addresses), [])
      if (all) callback(null, fit)
      else callback(null, first.address, first.family)
    })
  }

  function refusal(hostname: string, addresses: readonly LookupAddress[]): AppError {
    const reasons = addresses.map(one => checkAddress(one.address)).filter(reason => reason !== null)
    return refused(`${hostname}: ${reasons[0] ?? 'no address of the family asked for'}`)
  }

  return {
    checkUrl: url => checkUrlWith(url, checkAddress),
    checkAddress,
    lookup,
    checkName(hostname, callback) {
      resolve(hostname, (error, addresses) => {
        // The proxy may take any of them.
        const permitted = error !== null || addresses.every(({ address }) => checkAddress(address) === null)
        callback(permitted ? null : refusal(hostname, addresses))
      })
    },
  }
}

/** The same check from the list alone, without resolving names: syntax, and literal addresses. null: the URL is allowed. */
export const checkUrl = (url: string, allow: readonly string[]): string | null => createGuard({ allow }).checkUrl(url)

export const refused = (why: string): AppError =>
  new AppError(`Not sent: ${why}.`, { code: 'webhook.address_refused', intent: 'retry' })

function checkUrlWith(text: string, checkAddress: Guard['checkAddress']): string | null {
  if (!URL.canParse(text)) return 'not a URL'
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'only http:// and https:// URLs are delivered to'
  if (url.username || url.password) return 'a URL must not carry a user name or password'
  // URL has already turned forms such as 0x7f.1, 017700000001 and 2130706433 into 127.0.0.1.
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (isIP(host)) return checkAddress(host)
  if (host === 'localhost' || host.endsWith('.localhost')) {
    const loopback = [checkAddress('127.0.0.1'), checkAddress('::1')]
    return loopback.includes(null) ? null : (loopback[0] ?? null)
  }
  return null
}

type Address = ReturnType<typeof ipaddr.process>

/** Only unicast; in IPv6 only the allocated range 2000::/3, because new special ranges are defined outside of it. */
function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false
  if (address.kind() === 'ipv4') return !CLOUD_HOSTS.has(address.toString())
  return ((address.toByteArray()[0] ?? 0) & 0xe0) === 0x20
}

/** Addresses that look public, but are a cloud provider's internal services. */
const CLOUD_HOSTS: ReadonlySet<string> = new Set(['168.63.129.16'])

const kindOf = (address: Address): string => {
  const range = address.range()
  return range === 'unicast' ? 'reserved' : range
}

/** Lookups of one name at the same time share one query: a name server that hangs must not use up all resolver threads. */
function shared(resolve: Resolve): Resolve {
  const asked = new Map<string, Parameters<Resolve>[1][]>()
  return (hostname, callback) => {
    const waiting = asked.get(hostname)
    if (waiting) {
      waiting.push(callback)
      return
    }
    const callbacks = [callback]
    asked.set(hostname, callbacks)
    resolve(hostname, (error, addresses) => {
      asked.delete(hostname)
      for (const one of callbacks) one(error, addresses)
    })
  }
}
