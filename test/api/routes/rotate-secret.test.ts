import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Harness, NOW, openHarness } from '../harness.ts'

const URL_ = 'https://hooks.example/in'

let api: Harness
beforeEach(async () => {
  api = await openHarness()
  await api.call('POST', '/v1/endpoints', { body: { id: 'a', url: URL_ } })
})
afterEach(() => api.close())

describe('an endpoint', () => {
  test('gets another secret; the old one stays good for a day', async () => {
    const before = await api.store.endpoints.get('a')
    const { status, body } = await api.call('POST', '/v1/endpoints/a/rotate-secret')
    expect(status).toBe(200)
    expect(body).toEqual({
      secret: expect.stringMatching(/^whsec_/),
      previousValidUntil: new Date(NOW + 86_400_000).toISOString(),
    })
    expect(await api.store.endpoints.get('a')).toMatchObject({
      formerSecrets: [{ secret: before?.secret, until: NOW + 86_400_000 }],
    })
  })

  test('gets another secret and another, twice at once as well: all of them stay good for a day', async () => {
    let made = 0
    const own = await openHarness({ newSecret: () => `whsec_${++made}` })
    await own.call('POST', '/v1/endpoints', { body: { id: 'a', url: URL_ } })
    const before = await own.store.endpoints.get('a')
    const rotate = () => own.call('POST', '/v1/endpoints/a/rotate-secret')
    const secrets = [await rotate(), ...(await Promise.all([rotate(), rotate()]))].map(({ body }) => body.secret)
    const row = await own.store.endpoints.get('a')
    await own.close()
    const sealed = [row?.secret, ...(row?.formerSecrets ?? []).map(({ secret }) => secret)]
    expect(sealed).toHaveLength(4)
    expect(sealed.at(-1)).toBe(before?.secret)
    expect(new Set(sealed.slice(0, 3).map(text => atob(String(text).slice('sealed:'.length))))).toEqual(
      new Set(secrets),
    )
  })

  test('whose secret cannot be decrypted any more gets a new one that stands alone', async () => {
    const lost = await openHarness({
      secretBox: {
        seal: text => `sealed:${btoa(text)}`,
        open: () => {
          throw new Error('another key')
        },
      },
    })
    await lost.call('POST', '/v1/endpoints', { body: { id: 'a', url: URL_ } })
    const { status, body } = await lost.call('POST', '/v1/endpoints/a/rotate-secret')
    expect(status).toBe(200)
    expect(body.previousValidUntil).toBeNull()
    expect(await lost.store.endpoints.get('a')).toMatchObject({ formerSecrets: [] })
    await lost.close()
  })
})
