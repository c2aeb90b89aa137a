import { afterEach, expect, test } from 'vitest'
import { createRig } from './rig.ts'

const API_KEY = 'an-admin-key-of-24-characters'
let rig: Awaited<ReturnType<typeof createRig>>
afterEach(() => rig.close())

const keyed = async () => {
  rig = await createRig({ apiKey: API_KEY })
  return rig.browser()
}
const HOUR = 3_600_000

test('a page without a session asks for the key, and signing in opens the page that was asked for', async () => {
  const browser = await keyed()
  const asked = await browser.open('/destinations?state=active')
  expect(asked.status).toBe(401)
  expect(asked.text).toContain('Sign in')
  const opened = await browser.submit('/sign-in', { key: API_KEY })
  expect([opened.status, opened.path]).toEqual([200, '/destinations?state=active'])
})

test('a wrong key is said in words, marked at the field, and opens nothing', async () => {
  const browser = await keyed()
  await browser.open('/')
  const { status, html } = await browser.submit('/sign-in', { key: 'wrong' })
  expect(status).toBe(401)
  expect(html).toContain('aria-invalid="true"')
  expect(html).toContain('role="alert"')
  expect(html).toMatch(/<input[^>]*autofocus/)
  expect((await browser.open('/')).status).toBe(401)
})

test('the cookie is for this host only and out of reach of scripts, and the store keeps its digest only', async () => {
  const browser = await keyed()
  await browser.open('/')
  const response = await rig.api.app.request('/sign-in', {
    method: 'POST',
    body: new URLSearchParams({ key: API_KEY }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'http://localhost' },
  })
  const [cookie = ''] = response.headers.getSetCookie()
  expect(cookie).toMatch(/HttpOnly/)
  expect(cookie).toMatch(/SameSite=Strict/)
  expect(cookie).toMatch(/Path=\//)
  const id = /=([^;]+)/.exec(cookie)?.[1] ?? ''
  expect(await rig.api.store.sessions.get(id)).toBeNull()
})

test('behind https the cookie is Secure and bound to the host', async () => {
  await keyed()
  const response = await rig.api.app.request('https://orders.example.com/sign-in', {
    method: 'POST',
    body: new URLSearchParams({ key: API_KEY }).toString(),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      origin: 'https://orders.example.com',
      host: 'orders.example.com',
    },
  })
  const [cookie = ''] = response.headers.getSetCookie()
  expect(cookie).toMatch(/^__Host-orderwire_session=/)
  expect(cookie).toMatch(/Secure/)
})

test('the cookie opens pages and never the API', async () => {
  const browser = await keyed()
  await browser.open('/')
  await browser.submit('/sign-in', { key: API_KEY })
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  expect((await rig.api.call('GET', '/v1/events', { headers: { cookie } })).status).toBe(401)
  expect((await rig.api.call('GET', '/metrics', { headers: { cookie } })).status).toBe(401)
})

test('a session ends 12 hours after the last look, and after 7 days at the latest', async () => {
  const browser = await keyed()
  await browser.open('/')
  await browser.submit('/sign-in', { key: API_KEY })
  for (let hour = 0; hour < 7 * 24 - 11; hour += 11) {
    rig.advance(11 * HOUR)
    if (hour + 11 < 7 * 24) expect((await browser.open('/settings')).status).toBe(200)
  }
  rig.advance(11 * HOUR)
  expect((await browser.open('/settings')).status).toBe(401)
  await browser.submit('/sign-in', { key: API_KEY })
  rig.advance(12 * HOUR + 1)
  expect((await browser.open('/settings')).status).toBe(401)
})

test('a key that is removed ends its sessions, and signing out ends one', async () => {
  const browser = await keyed()
  const as = { headers: { authorization: `Bearer ${API_KEY}` } }
  const { body } = await rig.api.call('POST', '/v1/keys', { ...as, body: { name: 'shift', role: 'write' } })
  await browser.open('/')
  await browser.submit('/sign-in', { key: body.key })
  const second = rig.browser()
  await second.open('/')
  await second.submit('/sign-in', { key: body.key })
  const out = await second.submit('/sign-out')
  expect(out.status).toBe(401)
  expect((await browser.open('/')).status).toBe(200)
  await rig.api.call('DELETE', `/v1/keys/${body.id}`, as)
  expect((await browser.open('/')).status).toBe(401)
})

test('a link from elsewhere loads the page once more before it asks for the key, because a Strict cookie does not come with it', async () => {
  const browser = await keyed()
  await browser.open('/')
  await browser.submit('/sign-in', { key: API_KEY })
  const elsewhere = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }
  const stranger = rig.browser()
  const first = await stranger.open('/destinations/a?x=1', elsewhere)
  expect(first.status).toBe(200)
  expect(first.html).toContain('content="0;url=/destinations/a?x=1"')
  expect((await stranger.open('/destinations/a?x=1', { 'sec-fetch-site': 'same-origin' })).status).toBe(401)
})

test.each([
  ['another origin', { origin: 'http://localhost:3000' }],
  ['no origin', { origin: '' }],
  ['the origin "null"', { origin: 'null' }],
  ['another site', { origin: 'http://evil.example' }],
])('a form of %s changes nothing', async (_, headers) => {
  const browser = await keyed()
  await browser.open('/')
  const { html } = await browser.submit('/sign-in', { key: API_KEY })
  const token = /name="token" value="([^"]+)"/.exec(html)?.[1] ?? ''
  const { status } = await browser.post('/destinations/audit/pause', { token }, headers)
  expect(status).toBe(403)
  expect(await rig.api.store.pauses.list()).toEqual(new Set())
})

test('a form without the token, or with that of another session, changes nothing', async () => {
  const browser = await keyed()
  await browser.open('/')
  await browser.submit('/sign-in', { key: API_KEY })
  const other = rig.browser()
  await other.open('/')
  const { html } = await other.submit('/sign-in', { key: API_KEY })
  const token = /name="token" value="([^"]+)"/.exec(html)?.[1] ?? ''
  for (const wrong of ['', 'x', token]) {
    const { status, text } = await browser.post('/destinations/audit/pause', { token: wrong })
    expect(status).toBe(403)
    expect(text).toContain('not of your session')
  }
  expect(await rig.api.store.pauses.list()).toEqual(new Set())
})

test('signing in leads to pages of this service only', async () => {
  const browser = await keyed()
  for (const to of ['https://evil.example/', '//evil.example/', '/\\evil.example', 'javascript:alert(1)']) {
    const response = await rig.api.app.request('/sign-in', {
      method: 'POST',
      body: new URLSearchParams({ key: API_KEY, to }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'http://localhost' },
    })
    const location = response.headers.get('location') ?? ''
    expect(new URL(location, 'http://localhost').origin, to).toBe('http://localhost')
  }
  expect((await browser.open('/')).status).toBe(401)
})

test('on loopback without keys no key is asked for, and forms work', async () => {
  rig = await createRig()
  const browser = rig.browser()
  expect((await browser.open('/destinations/audit')).text).toContain('No key needed here')
  const { text } = await browser.submit('/destinations/audit/pause')
  expect(text).toContain('audit is paused')
  expect((await rig.browser('192.0.2.7').open('/')).status).toBe(401)
})
