import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRig } from './rig.ts'
import { type Filled, fillWorld, pagesOf } from './world.ts'

const API_KEY = 'an-admin-key-of-24-characters'
let rig: Awaited<ReturnType<typeof createRig>>
let world: Filled
beforeAll(async () => {
  rig = await createRig()
  world = await fillWorld(rig.api)
})
afterAll(() => rig.close())

describe('every page', () => {
  test('is a complete document with one heading, its own policy, and nothing inline', async () => {
    const browser = rig.browser()
    for (const path of pagesOf(world)) {
      const { status, html, headers } = await browser.open(path)
      expect([path, status]).toEqual([path, 200])
      expect(html.startsWith('<!doctype html>'), path).toBe(true)
      expect(html.match(/<h1[ >]/g), path).toHaveLength(1)
      const bare = html.replaceAll(/"[^"]*"/g, '""')
      expect(bare.match(/<[^>]* (style|on\w+)=|<style|<script>/g), path).toBeNull()
      expect(headers.get('content-security-policy')).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      )
      expect(html.match(/\[object |undefined|NaN/g), path).toBeNull()
    }
  })

  test('shows hostile texts escaped, isolated, with control characters visible', async () => {
    const browser = rig.browser()
    let seen = 0
    for (const path of pagesOf(world)) {
      const { html } = await browser.open(path)
      expect(html.includes('<script>alert'), path).toBe(false)
      expect(html.includes('<svg onload'), path).toBe(false)
      expect(html.includes("' onmouseover='"), path).toBe(false)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(html.match(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g), path).toBeNull()
      if (html.includes('&lt;script&gt;')) seen++
    }
    expect(seen).toBeGreaterThan(8)
  })

  test('gives its buttons names of their own', async () => {
    const browser = rig.browser()
    for (const path of pagesOf(world)) {
      const { html } = await browser.open(path)
      const main = html.slice(html.indexOf('<main'))
      const names = [...main.matchAll(/<button([^>]*)>([^<]*)/g)].map(
        ([, attributes = '', label = '']) => /aria-label="([^"]*)"/.exec(attributes)?.[1] ?? label,
      )
      const repeated = names.filter((name, index) => names.indexOf(name) !== index && name !== 'Filter')
      expect([path, repeated]).toEqual([path, []])
    }
  })

  test('is not sent again while nothing but the time has changed', async () => {
    const browser = rig.browser()
    await browser.open('/')
    for (const path of ['/', '/destinations', '/orders/shop/calm-1']) {
      const { headers } = await browser.open(path)
      const tag = headers.get('etag') ?? ''
      expect((await browser.open(path, { 'if-none-match': tag })).status, path).toBe(304)
    }
  })

  test('cuts long texts, with the rest behind a disclosure', async () => {
    const { html } = await rig.browser().open(`/orders/shop/${encodeURIComponent(world.orderId)}`)
    expect(html).toMatch(/<details class="more"><summary>all \d+ characters/)
  })
})

test('assets are kept for good under the name of their content, compressed, and open without a key', async () => {
  const { html } = await rig.browser().open('/')
  const paths = [...html.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, path = '']) => path)
  expect(paths).toHaveLength(5)
  for (const path of paths) {
    const plain = await rig.api.app.request(path)
    const small = await rig.api.app.request(path, { headers: { 'accept-encoding': 'gzip, br' } })
    expect(plain.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(small.headers.get('content-encoding')).toBe('br')
    expect((await small.arrayBuffer()).byteLength).toBeLessThan((await plain.arrayBuffer()).byteLength)
  }
  expect((await rig.api.app.request('/assets/console-000000000000.js')).status).toBe(404)
})

test('what is not there is said on a page', async () => {
  const browser = rig.browser()
  for (const path of [
    '/orders/shop/none',
    '/events/evt_none',
    '/destinations/none',
    '/connections/none',
    '/dead-letters/none',
  ]) {
    const { status, text } = await browser.open(path)
    expect([path, status]).toEqual([path, 404])
    expect(text).toMatch(/There is no|No order/)
  }
})

describe('the search', () => {
  test.each([
    ['an order number', '1005', '/orders/shop/calm-1'],
    ['an order id', 'calm-1', '/orders/shop/calm-1'],
    ['how an id begins', 'calm', '/orders/shop/calm-1'],
    ['a destination', 'billing', '/destinations/billing'],
    ['a connection', 'tuya', '/connections/tuya'],
  ])('opens %s', async (_, asked, to) => {
    expect((await rig.browser().open(`/search?q=${asked}`)).path).toBe(to)
  })

  test('opens an event and a dead letter by id', async () => {
    expect((await rig.browser().open(`/search?q=${world.first.id}`)).path).toBe(`/events/${world.first.id}`)
    const { path } = await rig.browser().open(`/search?q=${encodeURIComponent(world.letter)}`)
    expect(path).toBe(`/dead-letters/${encodeURIComponent(world.letter)}`)
  })

  test('says what it looked for when nothing is found, whatever that is', async () => {
    for (const asked of ['nothing', '%00', '<b>', '%ED%A0%80']) {
      const { status, text } = await rig.browser().open(`/search?q=${encodeURIComponent(asked)}`)
      expect(status).toBe(200)
      expect(text).toContain('Nothing begins like this')
    }
  })
})

describe('with a key of the role "read"', () => {
  let own: Awaited<ReturnType<typeof createRig>>
  let there: Filled
  const reader = async () => {
    const as = { headers: { authorization: `Bearer ${API_KEY}` } }
    const { body } = await own.api.call('POST', '/v1/keys', { ...as, body: { name: 'look', role: 'read' } })
    const browser = own.browser()
    await browser.open('/')
    await browser.submit('/sign-in', { key: body.key })
    return browser
  }
  beforeAll(async () => {
    own = await createRig({ apiKey: API_KEY })
    const { call } = own.api
    const as = { authorization: `Bearer ${API_KEY}` }
    there = await fillWorld({
      ...own.api,
      call: (method, path, options = {}) => call(method, path, { ...options, headers: as }),
    })
  })
  afterAll(() => own.close())

  test('every page is shown, and every button that changes something is disabled, with the reason', async () => {
    const browser = await reader()
    for (const path of pagesOf(there)) {
      const { status, html } = await browser.open(path)
      expect([path, status]).toEqual([path, 200])
      const main = html.slice(html.indexOf('<main'))
      const forms = [...main.matchAll(/<form[^>]*method="post"[^>]*action="([^"]*)"[\s\S]*?<\/form>/g)]
      for (const [form, action = ''] of forms) {
        if (['/dismiss', '/settings/verify'].includes(action)) continue
        for (const [button] of form.matchAll(/<button[^>]*>/g)) {
          expect([path, action, button]).toEqual([path, action, expect.stringContaining(' disabled title=')])
          expect(button).toContain('needs the role')
        }
      }
    }
  })

  test('a form that is sent all the same is refused, and changes nothing', async () => {
    const browser = await reader()
    const { html } = await browser.open('/destinations/billing')
    const token = /name="token" value="([^"]+)"/.exec(html)?.[1] ?? ''
    for (const path of [
      '/destinations/billing/pause',
      '/destinations/billing/retry',
      '/destinations/billing/replay',
      '/destinations/billing/remove',
      '/destinations/billing/rotate',
      '/destinations/billing/test',
      '/destinations/new',
      '/dead-letters/redrive',
      '/dead-letters/discard',
      '/connections/shop/poll',
      `/quarantine/${there.entry}/retry`,
      `/events/${there.first.id}/resend`,
      '/settings/keys',
    ]) {
      const { status } = await browser.post(path, { token, typed: 'billing', destination: 'billing' })
      expect([path, status]).toEqual([path, 403])
    }
    expect((await own.api.store.endpoints.get('billing'))?.state).toBe('active')
    expect(await own.api.store.deadLetters.count({})).toBe(1)
  })
})
