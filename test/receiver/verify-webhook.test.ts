import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { type RawRequest, verifyWebhook } from '../../src/receiver/receiver.ts'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const other = `whsec_${Buffer.alloc(32, 9).toString('base64')}`
const sentAt = new Date('2026-03-02T10:15:30Z')
const now = () => sentAt.getTime()
const body = JSON.stringify({ id: 'evt_1', type: 'order.paid', title: 'ünï 訂單' })

/** A delivery signed by the Standard Webhooks library, not by our own code. */
function delivery(
  secrets: readonly string[] = [secret],
  text = body,
): { headers: Record<string, string>; body: string } {
  const signature = secrets.map(one => new Webhook(one).sign('evt_1', sentAt, text)).join(' ')
  return {
    headers: {
      'webhook-id': 'evt_1',
      'webhook-timestamp': `${sentAt.getTime() / 1000}`,
      'webhook-signature': signature,
    },
    body: text,
  }
}

describe('verifyWebhook', () => {
  test('returns the event of a delivery signed with the secret, as text, as bytes and as a Request', async () => {
    const { headers, body: text } = delivery()
    const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), [value]]))
    const requests: (Request | RawRequest)[] = [
      { headers, body: text },
      { headers: upper, body: new TextEncoder().encode(text) },
      { headers: new Headers(headers), body: text },
      new Request('http://localhost/hooks', { method: 'POST', headers, body: text }),
    ]
    for (const request of requests) expect(await verifyWebhook(request, secret, { now })).toEqual(JSON.parse(text))
  })

  test('accepts either secret while one is rotated, on the sending and on the receiving side', async () => {
    await expect(verifyWebhook(delivery([secret, other]), other, { now })).resolves.toMatchObject({ id: 'evt_1' })
    await expect(verifyWebhook(delivery([secret]), [other, secret], { now })).resolves.toMatchObject({ id: 'evt_1' })
  })

  test('refuses another secret, and a body that is not the bytes that were sent', async () => {
    await expect(verifyWebhook(delivery(), other, { now })).rejects.toMatchObject({
      code: 'bad_signature',
      status: 401,
    })
    const changed = { ...delivery(), body: JSON.stringify(JSON.parse(body), null, 1) }
    await expect(verifyWebhook(changed, secret, { now })).rejects.toMatchObject({ code: 'bad_signature' })
  })

  test('refuses a delivery that is more than five minutes old or early, unless told otherwise', async () => {
    for (const offset of [-301_000, 301_000]) {
      const later = { now: () => now() + offset }
      await expect(verifyWebhook(delivery(), secret, later)).rejects.toMatchObject({ code: 'stale' })
      const patient = { ...later, toleranceSeconds: 600 }
      await expect(verifyWebhook(delivery(), secret, patient)).resolves.toMatchObject({ id: 'evt_1' })
    }
  })

  test('says which headers are missing before it looks at the body', async () => {
    await expect(verifyWebhook({ headers: {}, body: '' }, secret, { now })).rejects.toMatchObject({
      code: 'missing_headers',
      status: 401,
    })
  })

  test.each(['', 'whsec_', 'whsec_c2hvcnQ=', 'whsec_***'])(
    'refuses to verify with the unfit secret "%s", whatever the signature is',
    async unfit => {
      await expect(verifyWebhook(delivery(), unfit, { now })).rejects.toMatchObject({ code: 'bad_secret', status: 500 })
      await expect(verifyWebhook(delivery(), [], { now })).rejects.toMatchObject({ code: 'bad_secret' })
    },
  )

  test('passes over signatures of versions it does not know, and over what is no base64', async () => {
    const { headers, body: text } = delivery()
    const noisy = { ...headers, 'webhook-signature': `v2,AAAA v1,*** v1 ${headers['webhook-signature']}` }
    await expect(verifyWebhook({ headers: noisy, body: text }, secret, { now })).resolves.toMatchObject({ id: 'evt_1' })
  })

  test('says that a signed body is not JSON', async () => {
    await expect(verifyWebhook(delivery([secret], 'no json'), secret, { now })).rejects.toMatchObject({
      code: 'bad_body',
      status: 400,
    })
  })
})
