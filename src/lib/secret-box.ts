import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { AppError } from './errors.ts'

/** A fresh endpoint secret, as Standard Webhooks writes them: `whsec_` and base64 of 32 random bytes. */
export const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`

/** Encrypts secrets for the store. */
export interface SecretBox {
  seal(text: string): string
  /** Throws an AppError (`webhook.sealed_elsewhere`) if it was sealed with another key, or was changed. */
  open(sealed: string): string
}

const [VERSION, NONCE, TAG] = ['v1', 12, 16]

/** AES-256-GCM under a key of 32 bytes; each sealing has a nonce of its own. The form is `v1.` and base64url of nonce, tag and text. */
export function createSecretBox(key: Uint8Array): SecretBox {
  if (key.length !== 32)
    throw new AppError(
      `The secret key must be 32 bytes, and has ${key.length}. Make one with \`openssl rand -base64 32\`.`,
      {
        code: 'config.secret_key',
        intent: 'fix',
      },
    )
  return {
    seal(text) {
      const nonce = randomBytes(NONCE)
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG })
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return `${VERSION}.${Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')}`
    },
    open(sealed) {
      try {
        const [version, body = ''] = sealed.split('.')
        if (version !== VERSION) throw new RangeError('unknown form')
        const bytes = Buffer.from(body, 'base64url')
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE), { authTagLength: TAG })
        decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG))
        return decipher.update(bytes.subarray(NONCE + TAG), undefined, 'utf8') + decipher.final('utf8')
      } catch (cause) {
        throw new AppError(
          'A secret in the store cannot be decrypted: it was written under another ORDERWIRE_SECRET_KEY. ' +
            'Start with the former key, or rotate the secret of this endpoint.',
          { code: 'webhook.sealed_elsewhere', intent: 'fix', cause },
        )
      }
    },
  }
}
