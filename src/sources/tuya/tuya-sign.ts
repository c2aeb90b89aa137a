import { createHash, createHmac } from 'node:crypto'

export interface Signed {
  readonly clientId: string
  readonly secret: string
  /** Absent on token calls. */
  readonly accessToken?: string
  /** Epoch milliseconds by the vendor's clock, as in the header `t`. */
  readonly t: string
  readonly nonce: string
  readonly method: string
  /** Path and sorted query, see `tuyaUrl`. */
  readonly url: string
  readonly body?: string
  /** Headers that are signed as well, in the order in which `Signature-Headers` names them. */
  readonly headers?: readonly (readonly [name: string, value: string])[]
}

/** The header `sign` of a request to Tuya: upper-case hex of an HMAC-SHA256. */
export function tuyaSign(request: Signed): string {
  const { clientId, secret, accessToken = '', t, nonce, method, url, body = '', headers = [] } = request
  const signedHeaders = headers.map(([name, value]) => `${name}:${value}\n`).join('')
  const stringToSign = [method, createHash('sha256').update(body).digest('hex'), signedHeaders, url].join('\n')
  return createHmac('sha256', secret)
    .update(clientId + accessToken + t + nonce + stringToSign)
    .digest('hex')
    .toUpperCase()
}

/**
 * Path and query as they are both signed and sent, byte for byte: parameters sorted by name, and percent-encoded only where a URL
 * would be another one without. So whether the server checks the URL as it came or as it decodes it is the same for every id it gives.
 */
export function tuyaUrl(path: string, query: Readonly<Record<string, string | number>> = {}): string {
  const pairs = Object.entries(query)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${tuyaEncode(name)}=${tuyaEncode(String(value))}`)
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
}

/** Percent-encodes one part of a URL, but leaves `: , ; @ $`, which may stand in one as they are. */
export function tuyaEncode(part: string): string {
  return encodeURIComponent(part).replace(/%(?:3A|2C|3B|40|24)/g, decodeURIComponent)
}
