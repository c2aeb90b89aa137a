import type { OrderEvent } from '../../schemas/order-event.ts'

/** A delivery made by `orderwire endpoints test`: signed like any other, not part of the history. */
export interface TestEvent {
  readonly specversion: '1.0'
  readonly id: string
  readonly type: 'orderwire.test'
  readonly source: string
  readonly time: string
  readonly data: unknown
}

/** A request as a server framework gives it. `body` must be the bytes as they came: JSON written anew is not what was signed. */
export interface RawRequest {
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string | Uint8Array
}

export type WebhookErrorCode = 'bad_secret' | 'missing_headers' | 'stale' | 'bad_signature' | 'bad_body'

/** Why a request is not an authentic delivery. `status` is the HTTP status to answer it with. */
export class WebhookError extends Error {
  readonly code: WebhookErrorCode
  readonly status: 400 | 401 | 500
  constructor(code: WebhookErrorCode, message: string) {
    super(message)
    this.name = 'WebhookError'
    this.code = code
    this.status = code === 'bad_secret' ? 500 : code === 'bad_body' ? 400 : 401
  }
}

export interface VerifyOptions {
  /** How far `webhook-timestamp` may be from now, seconds; default 300. Every attempt is signed with its own time. */
  readonly toleranceSeconds?: number
  /** Milliseconds since the epoch; default: the system clock. */
  readonly now?: () => number
}

const SHORTEST_KEY_BYTES = 24

/** Web Crypto's key type, whose name differs between runtimes' type libraries. */
type HmacKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>

/**
 * Verifies the Standard Webhooks signature of a delivery and returns its event. Give several secrets while one is rotated.
 * It uses Web Crypto only, so it runs in Node, Bun, Deno and edge runtimes. Rejects with a `WebhookError`.
 *
 * The event is parsed, not validated: the signature proves that orderwire wrote it. Ignore types you do not know.
 *
 * @example
 * const event = await verifyWebhook(request, 'whsec_…')
 * if (event.type === 'order.paid') await book(event.data.payment)
 */
export async function verifyWebhook(
  request: Request | RawRequest,
  secret: string | readonly string[],
  options: VerifyOptions = {},
): Promise<OrderEvent | TestEvent> {
  const { toleranceSeconds = 300, now = Date.now } = options
  const secrets = typeof secret === 'string' ? [secret] : secret
  if (secrets.length === 0) throw new WebhookError('bad_secret', 'No secret was given; it begins with "whsec_".')
  const keys = await Promise.all(secrets.map(importKey))
  const header = headersOf(request)
  const id = header('webhook-id')
  const timestamp = header('webhook-timestamp')
  const signatures = header('webhook-signature')
  if (!id || !timestamp || !signatures)
    throw new WebhookError(
      'missing_headers',
      'The request lacks webhook-id, webhook-timestamp or webhook-signature: it is no delivery, or a proxy removed them.',
    )
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now() / 1000 - Number(timestamp)) > toleranceSeconds)
    throw new WebhookError(
      'stale',
      `webhook-timestamp is more than ${toleranceSeconds} s away from this machine's clock: it is an old copy, or a clock is wrong.`,
    )
  const body = await bodyOf(request)
  if (!(await isSigned(concat(`${id}.${timestamp}.`, body), signatures, keys)))
    throw new WebhookError(
      'bad_signature',
      "No signature fits: the secret is another endpoint's, or the body is not the bytes that were sent.",
    )
  return parse(body)
}

async function importKey(secret: string): Promise<HmacKey> {
  const bytes = fromBase64(secret.replace(/^whsec_/, ''))
  if (!bytes || bytes.length < SHORTEST_KEY_BYTES)
    throw new WebhookError(
      'bad_secret',
      'A secret is "whsec_" and the base64 of at least 24 bytes, as shown at creation.',
    )
  return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
}

/** `signatures`: `v1,…` each, separated by spaces. `subtle.verify` compares in constant time. */
async function isSigned(
  signed: Uint8Array<ArrayBuffer>,
  signatures: string,
  keys: readonly HmacKey[],
): Promise<boolean> {
  for (const one of signatures.split(' ')) {
    if (!one.startsWith('v1,')) continue
    const signature = fromBase64(one.slice(3))
    if (!signature) continue
    for (const key of keys) if (await crypto.subtle.verify('HMAC', key, signature, signed)) return true
  }
  return false
}

function headersOf({ headers }: Request | RawRequest): (name: string) => string | null {
  if (typeof headers.get === 'function') {
    const given = headers as Headers
    return name => given.get(name)
  }
  const values = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return name => {
    const value = values.get(name)
    return typeof value === 'string' ? value : (value?.[0] ?? null)
  }
}

async function bodyOf(request: Request | RawRequest): Promise<Uint8Array> {
  if ('arrayBuffer' in request) return new Uint8Array(await request.arrayBuffer())
  return typeof request.body === 'string' ? new TextEncoder().encode(request.body) : request.body
}

function parse(body: Uint8Array): OrderEvent | TestEvent {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw new WebhookError('bad_body', 'The body is signed, but it is not JSON in UTF-8.')
  }
}

function concat(prefix: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(prefix)
  const bytes = new Uint8Array(head.length + body.length)
  bytes.set(head)
  bytes.set(body, head.length)
  return bytes
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), character => character.charCodeAt(0))
  } catch {
    return null
  }
}
