import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { EndpointSecret } from '../../schemas/endpoint.ts'
import { createSecretBox, newSecret } from '../../src/lib/secret-box.ts'
import { createSigner } from '../../src/lib/sign.ts'

const now = () => Math.floor(Date.now() / 1000)
const headers = (id: string, timestamp: number, signature: string) => ({
  'webhook-id': id,
  'webhook-timestamp': String(timestamp),
  'webhook-signature': signature,
})

describe('a signature', () => {
  test('verifies with the Standard Webhooks library, whatever the body', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.uint8Array({ minLength: 24, maxLength: 64 }), (text, key) => {
        const secret = `whsec_${Buffer.from(key).toString('base64')}`
        const body = JSON.stringify({ text })
        const at = now()
        const signature = createSigner([secret])('evt_1', at, body)
        expect(new Webhook(secret).verify(body, headers('evt_1', at, signature))).toEqual({ text })
      }),
    )
  })

  test('does not verify when body, id or time differ, or with another secret', () => {
    const secret = newSecret()
    const at = now()
    const signature = createSigner([secret])('evt_1', at, '{}')
    const verify = (key: string, id: string, time: number, body: string) => () =>
      new Webhook(key).verify(body, headers(id, time, signature))
    expect(verify(secret, 'evt_1', at, '{}')).not.toThrow()
    expect(verify(secret, 'evt_1', at, '{ }')).toThrow()
    expect(verify(secret, 'evt_2', at, '{}')).toThrow()
    expect(verify(secret, 'evt_1', at - 1, '{}')).toThrow()
    expect(verify(newSecret(), 'evt_1', at, '{}')).toThrow()
  })

  test('with two secrets, while one is rotated, verifies with either', () => {
    const [current, former] = [newSecret(), newSecret()]
    const at = now()
    const signature = createSigner([current, former])('evt_1', at, '{}')
    expect(signature.split(' ')).toHaveLength(2)
    for (const secret of [current, former])
      expect(() => new Webhook(secret).verify('{}', headers('evt_1', at, signature))).not.toThrow()
  })
})

describe('a secret', () => {
  test('is generated in the form the configuration takes, each time another', () => {
    const secrets = Array.from({ length: 50 }, newSecret)
    for (const secret of secrets) expect(EndpointSecret.safeParse(secret).success).toBe(true)
    expect(new Set(secrets).size).toBe(50)
  })

  test('is sealed and opened again, with a different seal each time', () => {
    const box = createSecretBox(randomBytes(32))
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), text => box.open(box.seal(text)) === text))
    expect(box.seal('same')).not.toBe(box.seal('same'))
    expect(box.seal('whsec_visible')).not.toContain('visible')
  })

  test('is not opened with another key, nor when it was tampered with, and the error tells what to do', () => {
    const box = createSecretBox(randomBytes(32))
    const sealed = box.seal('secret')
    const tampered = sealed.slice(0, -2) + (sealed.endsWith('AA') ? 'BB' : 'AA')
    for (const broken of [
      () => createSecretBox(randomBytes(32)).open(sealed),
      () => box.open(tampered),
      () => box.open(''),
    ])
      expect(broken).toThrow(/ORDERWIRE_SECRET_KEY/)
  })

  test('needs a key of 32 bytes', () => {
    expect(() => createSecretBox(randomBytes(16))).toThrow(/32 bytes/)
  })
})
