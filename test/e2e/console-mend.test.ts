import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { chromiumBinary, openChromium } from '../helpers/chromium.ts'
import { configure, type Program, startProgram } from '../helpers/program.ts'
import { createReceiver, type Receiver } from '../helpers/receiver.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

const binary = chromiumBinary()

describe.skipIf(binary === null)('a failing endpoint', { timeout: 180_000 }, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let sandbox: Sandbox
  let receiver: Receiver
  let program: Program
  let browser: Browser

  beforeAll(async () => {
    folder = await temporaryFolder()
    sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
    receiver = await createReceiver()
    receiver.otherwise = { status: 500, body: 'column "sku" too short' }
    await configure(folder.path, {
      connections: connectionsTo(sandbox),
      endpoints: [{ id: 'billing', url: receiver.url, types: ['order.paid'] }],
      network: { allow: ['127.0.0.0/8'] },
      delivery: { retries: ['50ms'] },
    })
    program = await startProgram(folder.path)
    browser = await openChromium(binary ?? '')
  })
  afterAll(async () => {
    await browser.close()
    await program.end('SIGKILL')
    await Promise.all([sandbox.close(), receiver.close(), folder.remove()])
  })

  test('is found from the overview in two clicks, understood, mended, tried, redriven, and the order shows it', async () => {
    const shop = createShop(sandbox, 5)
    for (let i = 0; i < 4; i++) shop.open()
    while (shop.move()) {
      // all lives at once
    }
    const paid = shop.facts().filter(fact => fact.endsWith(' paid')).length
    const letters = async () => ((await program.get('/v1/dead-letters')).body as { data: unknown[] }).data.length
    await until('an event is given up', async () => (await letters()) > 0)

    const page = await browser.newPage({ baseURL: program.url })
    await page.goto('/')
    await page.locator('.attention').getByText('did not get').first().waitFor()
    await page.getByRole('link', { name: 'Look: billing' }).first().click()
    // Dead letters name their destination; a circuit that is open leads to it at once.
    if (!page.url().includes('/destinations/'))
      await page.locator('#live').getByRole('link', { name: 'billing', exact: true }).click()
    await page.waitForURL('**/destinations/billing')
    await page.getByText('Latest answer').click()
    await page.getByText('column "sku" too short').first().waitFor()

    receiver.otherwise = 204
    await until('everything is tried: delivered now, or given up before', async () => {
      await page.reload()
      const button = page.getByRole('button', { name: 'Try all now: billing' })
      if (await button.isEnabled()) await button.click()
      const { body } = await program.get('/v1/destinations')
      return (body as { data: { backlog: number }[] }).data[0]?.backlog === 0
    })

    const waiting = await letters()
    await page.goto('/dead-letters')
    await page.getByRole('button', { name: new RegExp(`^Redrive ${waiting} to billing`) }).click()
    const dialog = page.getByRole('dialog', { name: 'Please confirm' })
    await dialog.getByRole('button', { name: /^Redrive/ }).click()
    await page.getByText(`${waiting} event`).first().waitFor()
    await until('a line follows the redrive to its end', async () => {
      await page.reload()
      return page.getByText(`queued: ${waiting} delivered.`).isVisible()
    })
    expect(await letters()).toBe(0)
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(paid)

    await page.goto('/orders')
    await page.locator('#live table a').first().click()
    await page.getByText('billing').first().waitFor()
    expect(await page.locator('.story').innerText()).toContain('acknowledged it')
    await page.locator('svg.timeline rect.good').first().waitFor()
  })
})
