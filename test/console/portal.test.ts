import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Browser } from './browser.ts'
import { createRig } from './rig.ts'
import { type Filled, fillWorld } from './world.ts'

let rig: Awaited<ReturnType<typeof createRig>>
let world: Filled
beforeEach(async () => {
  rig = await createRig()
  world = await fillWorld(rig.api, 'no')
  await rig.api.call('POST', '/v1/endpoints', { body: { id: 'theirs', url: 'https://theirs.example/' } })
})
afterEach(() => rig.close())

const EVERYTHING = ['test', 'replay', 'resume', 'rotate']
/** Not of this machine: without a session nothing is open to it. */
const AWAY = '192.0.2.7'

async function linkTo(id: string, may: readonly string[] = [], ttl = '2h'): Promise<string> {
  const { status, body } = await rig.api.call('POST', `/v1/endpoints/${id}/link`, { body: { may, ttl } })
  expect(status).toBe(201)
  const { pathname, search } = new URL(body.url)
  return pathname + search
}

async function subscriber(id: string, may: readonly string[] = []): Promise<Browser> {
  const browser = rig.browser(AWAY)
  await browser.open(await linkTo(id, may))
  expect((await browser.submit('/portal/open')).path).toBe('/portal')
  return browser
}

test('a link opens the endpoint once, not by being looked at, and not after its time', async () => {
  const link = await linkTo('billing')
  const looking = rig.browser(AWAY)
  for (let look = 0; look < 3; look++) expect((await looking.open(link)).text).toContain('Your deliveries')
  expect((await looking.open('/portal')).status).toBe(401)
  await looking.open(link)
  const { text, path } = await looking.submit('/portal/open')
  expect(path).toBe('/portal')
  expect(text).toContain('shop/calm-1')
  const second = rig.browser(AWAY)
  await second.open(link)
  expect((await second.submit('/portal/open')).status).toBe(410)
  const late = await linkTo('billing', [], '1h')
  rig.advance(3_600_001)
  await second.open(late)
  expect((await second.submit('/portal/open')).status).toBe(410)
})

test('the session ends with the time of its link, and with its endpoint, also when another gets its id', async () => {
  const browser = await subscriber('billing')
  rig.advance(2 * 3_600_000)
  expect((await browser.open('/portal')).status).toBe(401)
  const other = await subscriber('theirs')
  await rig.api.call('DELETE', '/v1/endpoints/theirs')
  await rig.api.call('POST', '/v1/endpoints', { body: { id: 'theirs', url: 'https://new.example/' } })
  expect((await other.open('/portal')).status).toBe(401)
})

test('a subscriber sees no page of the operators, and nothing of the API', async () => {
  const browser = await subscriber('billing', EVERYTHING)
  for (const path of [
    '/',
    '/orders',
    '/orders/shop/calm-1',
    '/destinations/theirs',
    '/destinations/billing',
    '/settings',
    '/search?q=1005',
  ])
    expect((await browser.open(path)).path).toBe('/portal')
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  expect((await rig.api.call('GET', '/v1/events', { headers: { cookie }, from: AWAY })).status).toBe(401)
  const { html } = await browser.open('/portal')
  const token = /name="token" value="([^"]+)"/.exec(html)?.[1] ?? ''
  for (const path of [
    '/destinations/theirs/pause',
    '/destinations/billing/pause',
    '/dead-letters/redrive',
    '/settings/keys',
  ])
    expect([path, (await browser.post(path, { token, destination: 'theirs' })).status]).toEqual([path, 403])
  expect((await rig.api.store.endpoints.get('theirs'))?.state).toBe('active')
})

test('the id of another endpoint in any parameter changes and shows nothing of it', async () => {
  const browser = await subscriber('theirs', EVERYTHING)
  const other = 'billing'
  for (const name of ['id', 'endpoint', 'destination', 'of', 'order', 'event', 'connection'])
    for (const value of [other, world.first.id, `${other}:${world.first.id}`, '1005']) {
      const { text } = await browser.open(`/portal?${name}=${encodeURIComponent(value)}`)
      expect(text).not.toContain('shop/calm-1')
      expect(text).not.toContain('hooks.example')
    }
  expect((await browser.open(`/portal/events/${world.first.id}`)).status).toBe(404)
  const { html } = await browser.open('/portal')
  const token = /name="token" value="([^"]+)"/.exec(html)?.[1] ?? ''
  rig.api.parts.asked.length = 0
  for (const action of ['test', 'replay', 'resume', 'rotate'])
    await browser.post(`/portal/${action}`, { token, id: other, endpoint: other, destination: other })
  expect(rig.api.parts.asked.filter(asked => asked.includes('billing'))).toEqual([])
  expect(rig.api.parts.asked.some(asked => asked === 'test theirs')).toBe(true)
})

test('what the link does not allow is disabled with the reason, and refused', async () => {
  const browser = await subscriber('billing')
  const { html } = await browser.open('/portal')
  expect(html).toContain('Your link does not allow this.')
  const token = /name="token" value="([^"]+)"/.exec(html)?.[1] ?? ''
  rig.api.parts.asked.length = 0
  for (const action of ['test', 'replay', 'resume', 'rotate']) {
    const { text } = await browser.post(`/portal/${action}`, { token })
    expect(text).toContain('Your link does not allow this.')
  }
  expect(rig.api.parts.asked).toEqual([])
})

test('what it allows works: payloads, answers, test, replay with a preview, resume and a new secret', async () => {
  const browser = await subscriber('billing', EVERYTHING)
  expect((await browser.open(`/portal/events/${world.first.id}`)).text).toContain('"specversion": "1.0"')
  await browser.open('/portal')
  expect((await browser.submit('/portal/test', { type: 'order.paid' })).text).toContain('Your endpoint answered 204')
  expect((await browser.open('/portal?replay=1')).text).toMatch(/\d+ events of \d+ orders/)
  expect((await browser.submit('/portal/replay')).text).toMatch(/events queued for your endpoint again/)
  expect((await browser.submit('/portal/rotate')).html).toContain('whsec_')
  await rig.api.store.endpoints.update('billing', { state: 'disabled', stateReason: 'gone', updatedAt: 1 })
  await browser.open('/portal')
  await browser.submit('/portal/resume')
  expect((await rig.api.store.endpoints.get('billing'))?.state).toBe('active')
  expect((await browser.open('/portal/catalogue')).text).toContain('sample-1001')
})

test('a link is for administrators to make, for an endpoint there is, and for 30 days at most', async () => {
  expect((await rig.api.call('POST', '/v1/endpoints/none/link', { body: {} })).status).toBe(404)
  expect((await rig.api.call('POST', '/v1/endpoints/billing/link', { body: { ttl: '31d' } })).status).toBe(400)
  expect((await rig.api.call('POST', '/v1/endpoints/billing/link', { body: { may: ['pause'] } })).status).toBe(400)
  const { body } = await rig.api.call('POST', '/v1/endpoints/billing/link', { body: {} })
  expect(body.url).toMatch(/^https:\/\/orders\.example\.com\/portal\/open\?link=/)
})
