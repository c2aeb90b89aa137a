import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { command } from '../helpers/program.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { startWooCommerce } from '../helpers/woocommerce.ts'
import { fixture } from '../sources/rest/example.ts'

/** The WooCommerce example as a person copies it: the file, its variables in the environment, and two commands. */

let shop: Awaited<ReturnType<typeof startWooCommerce>>
let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => {
  shop = await startWooCommerce()
  folder = await temporaryFolder()
  const example = join(import.meta.dirname, '../../examples/woocommerce/orderwire.config.json')
  await copyFile(example, join(folder.path, 'orderwire.config.json'))
})
afterEach(() => Promise.all([shop.close(), folder.remove()]))

test('the copied example says with `check` what is missing, shows with `poll` what is proven, and never shows its key', async () => {
  const { order, refunds } = fixture('woocommerce/completed-partly-refunded') as {
    order: { id: number }
    refunds: object[]
  }
  shop.put({ ...order, date_modified_gmt: new Date().toISOString().slice(0, 19) }, refunds)
  const [checked, polled] = await Promise.all([
    command(folder.path, ['check'], { ...shop.env(), ORDERWIRE_DATA: join(folder.path, 'one') }),
    command(folder.path, ['poll', 'woo', '--dry-run', '--json'], shop.env()),
  ])
  expect(checked.stdout).toMatch(/ok {4} {2}connection woo \(rest\): GET \/orders answers; 1 order changed/)
  expect(checked.stdout).toContain('missing: order.shipped, order.shipment_updated, order.delivered')
  const events = polled.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(events.map(({ type }) => type)).toEqual(['order.paid', 'order.refunded', 'order.refunded'])
  const { WOO_SECRET = '' } = shop.env()
  expect(checked.stdout + checked.stderr + polled.stdout + polled.stderr).not.toContain(WOO_SECRET)
})

test('without its variables the copied example ends with exit code 2 and names the first that is missing', async () => {
  const { code, stderr } = await command(folder.path, ['check'], { WOO_URL: shop.url })
  expect([code, stderr]).toEqual([2, expect.stringContaining('WOO_KEY')])
})
