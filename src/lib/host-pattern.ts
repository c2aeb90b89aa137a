import ipaddr from 'ipaddr.js'

/**
 * Whether a host and port fit a pattern: `*`, a host name with all below it (`acme.com`, `.acme.com`, `*.acme.com`), an address or a CIDR;
 * `:port` limits it to that port. `host` is without brackets.
 */
export function fitsHost(pattern: string, host: string, port: number): boolean {
  const entry = pattern.trim().toLowerCase()
  const name = host.toLowerCase().replace(/\.$/, '')
  if (entry === '*') return true
  if (ipaddr.isValidCIDR(entry)) return isWithin(name, entry)
  const [, place = entry, only] = ipaddr.isValid(entry) ? [] : (/^(.*):(\d+)$/.exec(entry) ?? [])
  if (only !== undefined && Number(only) !== port) return false
  const bare = place.replace(/^\[|\]$/g, '').replace(/^\*?\./, '')
  return bare !== '' && (bare === '*' || name === bare || name.endsWith(`.${bare}`))
}

function isWithin(name: string, cidr: string): boolean {
  if (!ipaddr.isValid(name)) return false
  const [network, bits] = ipaddr.parseCIDR(cidr)
  const address = ipaddr.process(name)
  return address.kind() === network.kind() && address.match(network, bits)
}
