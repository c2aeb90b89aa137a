import axe from 'axe-core'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Served, serveApi } from '../../src/api/serve.ts'
import { createRig } from '../console/rig.ts'
import { type Filled, fillWorld, PAGES, pagesOf } from '../console/world.ts'
import { chromiumBinary, openChromium } from '../helpers/chromium.ts'

const binary = chromiumBinary()
const PHONE = { width: 390, height: 844 }
const DESK = { width: 1280, height: 860 }
/** As long as pages rest between two looks. */
const REFRESH_MS = 5_000

describe.skipIf(binary === null)('the console in a real browser', { timeout: 240_000 }, () => {
  let browser: Browser
  let rig: Awaited<ReturnType<typeof createRig>>
  let world: Filled
  let server: Served
  let context: BrowserContext | null = null

  beforeAll(async () => {
    rig = await createRig()
    world = await fillWorld(rig.api)
    server = await serve(0)
    browser = await openChromium(binary ?? '')
  })
  afterAll(async () => {
    await browser.close()
    await server.close()
    await rig.close()
  })
  afterEach(async () => {
    await context?.close()
    context = null
  })

  const serve = (port: number) =>
    serveApi({ fetch: (request, env) => rig.api.app.fetch(request, env), host: '127.0.0.1', port, graceMs: 100 })

  /** A page, and everything on it that must not happen. */
  async function open(options: Parameters<Browser['newContext']>[0] = {}): Promise<{ page: Page; wrong: string[] }> {
    context = await browser.newContext({ viewport: DESK, baseURL: server.url, ...options })
    const page = await context.newPage()
    const wrong: string[] = []
    page.on('dialog', dialog => {
      wrong.push(`dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('request', request => {
      if (!request.url().startsWith(server.url) && !request.url().startsWith('data:')) wrong.push(request.url())
    })
    page.on('pageerror', error => wrong.push(error.message))
    page.on('console', message => {
      if (/Content Security Policy|violates/.test(message.text())) wrong.push(message.text())
    })
    return { page, wrong }
  }

  const sideways = (page: Page): Promise<number> =>
    page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')

  /** What axe finds on the page as it is shown now; `only`: by these rules. */
  async function violations(page: Page, only: readonly string[] = []): Promise<string[]> {
    // Loads nothing ahead: that is for media, which the pages have not, and for rules that are off.
    const options = { resultTypes: ['violations'], preload: false, ...(only.length > 0 && { runOnly: only }) }
    const { violations } = await page.evaluate<axe.AxeResults>(`axe.run(${JSON.stringify(options)})`)
    return violations.flatMap(({ id, nodes }) => nodes.slice(0, 2).map(({ html }) => `${id}: ${html.slice(0, 160)}`))
  }

  /** Those whose parts differ from the others. */
  const KINDS = Object.keys(PAGES).filter(
    name => !['overview of a day', 'a replay', 'a filter', 'a handler'].includes(name),
  )

  test.each(KINDS)(
    '%s: accessible in light and dark, wide and on a phone; runs nothing that others wrote',
    async name => {
      const { page, wrong } = await open({ reducedMotion: 'reduce' })
      const found: string[] = []
      await page.goto(PAGES[name]?.(world) ?? '')
      await page.evaluate(axe.source)
      for (const size of [DESK, PHONE]) {
        await page.setViewportSize(size)
        found.push(...(await violations(page)).map(one => `${size.width} light: ${one}`))
        await page.emulateMedia({ colorScheme: 'dark' })
        // In the dark nothing but colours differs.
        const dark = await violations(page, ['color-contrast', 'link-in-text-block'])
        found.push(...dark.map(one => `${size.width} dark: ${one}`))
        await page.emulateMedia({ colorScheme: 'light' })
        const over = await sideways(page)
        if (over > 0) found.push(`${size.width}: ${over} px sideways`)
      }
      expect(found).toEqual([])
      expect(wrong).toEqual([])
    },
  )

  test('targets on a phone are at least 44 px high, on a desk 24', async () => {
    const { page } = await open()
    const small: string[] = []
    for (const path of ['/', '/destinations', '/destinations/billing', '/orders', '/settings']) {
      await page.goto(path)
      for (const [size, least] of [
        [PHONE, 44],
        [DESK, 24],
      ] as const) {
        await page.setViewportSize(size)
        const targets = await page
          .locator('main button:visible, main select:visible, nav a:visible, .pill:visible')
          .evaluateAll(all => all.map(one => ({ text: one.textContent, height: one.getBoundingClientRect().height })))
        expect(targets.length).toBeGreaterThan(0)
        for (const { text, height } of targets)
          if (height < least - 0.5) small.push(`${path} ${size.width}: ${text} ${height}`)
      }
    }
    expect(small).toEqual([])
  })

  test('without scripts all pages are read, and actions work', async () => {
    const { page } = await open({ javaScriptEnabled: false })
    for (const path of pagesOf(world)) {
      const answer = await page.goto(path)
      expect([path, answer?.status()]).toEqual([path, 200])
      expect(await page.locator('h1').count()).toBe(1)
    }
    await page.goto('/destinations/audit')
    await page.getByRole('button', { name: 'Pause: audit' }).click()
    await page.getByText('audit is paused').waitFor()
    await page.getByRole('button', { name: 'Resume: audit' }).click()
    await page.getByText('audit goes on').waitFor()
    await page.getByRole('button', { name: 'Dismiss this message' }).click()
    expect(await page.locator('#message').count()).toBe(0)
  })

  const select = (page: Page) => page.evaluate('getSelection().selectAllChildren(document.querySelector("#live bdi"))')

  /** Lets time pass on the page, and waits for the look at the server that comes of it. */
  async function refresh(page: Page): Promise<void> {
    const looked = page.waitForResponse(response => response.request().headers()['hx-request'] === 'true')
    await page.clock.runFor(REFRESH_MS)
    await looked
    await page.evaluate('new Promise(requestAnimationFrame)')
  }

  test('focus, selection, opened details and a message survive three refreshes, and what is new appears', async () => {
    const { page, wrong } = await open()
    await page.clock.install()
    await page.goto('/destinations/audit')
    await page.getByRole('button', { name: 'Pause: audit' }).click()
    await page.goto('/destinations')
    await page.getByRole('link', { name: 'billing' }).focus()
    await select(page)
    const selected = await page.evaluate('String(getSelection())')
    await page.locator('#live details summary').first().click()
    await page.getByRole('link', { name: 'billing' }).focus()
    await select(page)
    await rig.api.store.endpoints.update('billing', { state: 'disabled', stateReason: 'gone', updatedAt: 1 })
    for (let look = 0; look < 3; look++) await refresh(page)
    await page.locator('#live .state', { hasText: 'disabled' }).waitFor()
    expect(await page.evaluate('document.activeElement.textContent')).toBe('billing')
    expect(await page.evaluate('String(getSelection())')).toBe(selected)
    expect(await page.locator('#live details').first().getAttribute('open')).toBe('')
    await page.getByText('audit is paused').waitFor()
    await page.reload()
    await page.getByText('audit is paused').waitFor()
    expect(wrong).toEqual([])
    await rig.api.store.endpoints.update('billing', { state: 'active', stateReason: null, updatedAt: 2 })
  })

  test('a page whose server is gone says since when and dims, and comes back by itself', async () => {
    const { page } = await open()
    await page.clock.install()
    await page.goto('/destinations')
    const port = Number(new URL(server.url).port)
    await server.close()
    await page.clock.runFor(REFRESH_MS)
    await page.getByText('The server has not answered since').waitFor()
    expect(await page.evaluate('getComputedStyle(document.querySelector("#live")).opacity')).toBe('0.5')
    server = await serve(port)
    await refresh(page)
    await page.getByText('The server has not answered since').waitFor({ state: 'hidden' })
    expect(await page.evaluate('getComputedStyle(document.querySelector("#live")).opacity')).toBe('1')
  })

  test('a pause stops the refreshing, and everything can be reached by keys', async () => {
    const { page } = await open()
    await page.clock.install()
    await page.goto('/')
    await page.keyboard.press('/')
    expect(await page.evaluate('document.activeElement.id')).toBe('search')
    await page.keyboard.type('calm-1')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/orders/shop/calm-1')
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('g')
    await page.keyboard.press('d')
    await page.waitForURL('**/destinations')
    await page.getByRole('button', { name: 'Pause' }).click()
    let looks = 0
    page.on('request', () => looks++)
    await page.clock.runFor(3 * REFRESH_MS)
    expect(looks).toBe(0)
    await page.getByText('paused, updated').waitFor()
  })

  test('times are shown relative, local or in UTC, and charts obey', async () => {
    const { page } = await open({ timezoneId: 'Asia/Tokyo' })
    await page.goto('/destinations/billing')
    await page.locator('.chart canvas').first().waitFor()
    const text = () => page.locator('#live .facts time').first().innerText()
    expect(await text()).toMatch(/ago$/)
    await page.getByLabel('Times').selectOption('utc')
    expect(await text()).toMatch(/ UTC$/)
    const utc = await text()
    await page.getByLabel('Times').selectOption('local')
    expect(await text()).not.toMatch(/UTC/)
    expect(Date.parse(`${(await text()).replace(' ', 'T')}+09:00`)).toBe(
      Date.parse(utc.replace(' UTC', 'Z').replace(' ', 'T')),
    )
    await page.reload()
    expect(await page.getByLabel('Times').inputValue()).toBe('local')
  })

  test('what cannot be undone asks in a dialog that names the number and the destination', async () => {
    const { page } = await open()
    await page.goto('/dead-letters')
    await page.getByRole('button', { name: /^Redrive 1 to billing/ }).click()
    const dialog = page.getByRole('dialog', { name: 'Please confirm' })
    await dialog.getByText('Queue 1 event for billing again?').waitFor()
    await page.keyboard.press('Escape')
    expect(await rig.api.store.deadLetters.count({})).toBe(1)
    await page.getByRole('button', { name: /^Redrive 1 to billing/ }).click()
    await dialog.getByRole('button', { name: 'Redrive 1' }).click()
    await page.getByText('1 event queued again, in order.').waitFor()
    expect(await rig.api.store.deadLetters.count({})).toBe(0)
  })
})
