import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'

/** Signs deliveries as Standard Webhooks 1.0 says: HMAC-SHA256 over `id.timestamp.body`, one `v1,…` for each secret in force. */
export type Signer = (id: string, timestamp: number, body: string | Uint8Array) => string

/** `secrets`: `whsec_…`, the current one first. `timestamp` of the signer: whole seconds since the epoch. */
export function createSigner(secrets: readonly string[]): Signer {
  const keys = secrets.map(keyOf)
  return (id, timestamp, body) => keys.map(key => `v1,${mac(key, `${id}.${timestamp}.`, body)}`).join(' ')
}

const keyOf = (secret: string): KeyObject => createSecretKey(Buffer.from(secret.replace(/^whsec_/, ''), 'base64'))

const mac = (key: KeyObject, head: string, body: string | Uint8Array): string =>
  createHmac('sha256', key).update(head).update(body).digest('base64')
