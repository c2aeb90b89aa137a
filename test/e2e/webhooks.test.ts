import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { SHOPLAZZA_TOKEN, SHOPLAZZA_WEBHOOK_SECRET } from '../../src/sandbox/shoplazza.ts'
import { configure, type Program, startProgram } from '../helpers/program.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** Webhooks of a vendor through the whole program. The orders are too old for the polls to look at: what comes of them came of a webhook. */

const OLD = '2026-01-05T10:00:00Z'
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let sandbox: Sandbox
let program: Program
beforeEach(async () => {
  folder = await temporaryFolder()
  sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
  await configure(folder.path, {
    connections: [
      {
        id: 'shop',
        vendor: 'shoplazza',
        baseUrl: `${sandbox.url}/shoplazza/openapi/2022-01`,
        accessToken: SHOPLAZZA_TOKEN,
        webhookSecret: SHOPLAZZA_WEBHOOK_SECRET,
        pollEvery: '200ms',
        rateLimit: { perSecond: 50, burst: 50 },
      },
    ],
  })
  program = await startProgram(folder.path)
  await until('the first poll is over', async () => (await connection()).lastSuccessAt !== null)
})
afterEach(async () => {
  await program.end('SIGKILL')
  await sandbox.close()
  await folder.remove()
})

async function connection(): Promise<{ lastSuccessAt: string | null; webhooks: unknown }> {
  return (await program.get('/v1/connections/shop')).body as Awaited<ReturnType<typeof connection>>
}

function putOrders(count: number): string[] {
  const ids = Array.from({ length: count }, (_, n) => `w-${n}`)
  for (const id of ids)
    sandbox.shoplazza.put(id, {
      id,
      number: id,
      currency: 'USD',
      total_price: '10.00',
      status: 'placed',
      financial_status: 'paid',
      fulfillment_status: 'waiting',
      created_at: OLD,
      placed_at: OLD,
      updated_at: OLD,
      line_items: [],
      fulfillments: [],
    })
  return ids
}

async function metric(line: string): Promise<number> {
  const text = await (await fetch(`${program.url}/metrics`)).text()
  return Number(new RegExp(`^${line.replace(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1] ?? 0)
}

/** Sends a webhook for each, some at a time. */
async function announce(ids: readonly string[], atOnce: number): Promise<void> {
  const left = ids.values()
  const url = `${program.url}/hooks/shop`
  const sender = async () => {
    for (const orderId of left) expect(await sandbox.sendWebhook({ url, orderId })).toEqual({ statusCode: 200 })
  }
  await Promise.all(Array.from({ length: atOnce }, sender))
}

const asked = () => sandbox.shoplazza.requests().map(({ url }) => url)
const polls = () => asked().filter(url => url.includes('updated_at_min')).length
const fetches = () => asked().filter(url => !url.includes('updated_at_min')).length

describe('webhooks', () => {
  test('100 for one order within a second are a few fetches, and one fact', async () => {
    const [orderId = ''] = putOrders(1)
    sandbox.shoplazza.forgetRequests()
    const began = performance.now()
    await announce(
      Array.from({ length: 100 }, () => orderId),
      20,
    )
    const sentFor = performance.now() - began
    await until(
      'the order is read',
      async () => (await metric('orderwire_events_total{connection="shop",type="order.paid"}')) === 1,
    )
    const before = polls()
    await until('polls went on for two seconds', () => polls() >= before + 8)
    expect(fetches()).toBeGreaterThanOrEqual(1)
    // One at once, one for those behind it, which show no change and so are read again after 1 and 3 s (case 46). A machine that sends for
    // longer than a second gets one more for each.
    expect(fetches()).toBeLessThanOrEqual(4 + Math.floor(sentFor / 1000))
    expect(await metric('orderwire_webhooks_total{connection="shop",outcome="accepted"}')).toBe(100)
    expect((await connection()).webhooks).toEqual({ lastReceivedAt: expect.any(String), silent: false })
  })

  test('2,000 for 2,000 orders are read in batches, all of them, while the polls go on', async () => {
    const ids = putOrders(2_000)
    const facts = () => metric('orderwire_events_total{connection="shop",type="order.paid"}')
    sandbox.shoplazza.forgetRequests()
    await announce(ids, 40)
    const whileSending = polls()
    const before = await facts()
    await until('every order is read', async () => (await facts()) === ids.length, 90_000, 100)
    expect(whileSending).toBeGreaterThan(0)
    if (before < ids.length - 500) expect(polls()).toBeGreaterThan(whileSending)
    // 40 full batches; one that was begun before it was full costs one more.
    expect(fetches()).toBeGreaterThanOrEqual(40)
    expect(fetches()).toBeLessThan(120)
    expect((await connection()).lastSuccessAt).not.toBeNull()
  }, 180_000)

  test('duplicates and forgeries are counted, and neither reads anything', async () => {
    const [orderId = ''] = putOrders(1)
    const url = `${program.url}/hooks/shop`
    expect(await sandbox.sendWebhook({ url, orderId, secret: 'another' })).toEqual({ statusCode: 401 })
    for (let repeat = 0; repeat < 3; repeat++) await sandbox.sendWebhook({ url, orderId, deduplicationId: 'd-1' })
    for (const [outcome, count] of [
      ['accepted', 1],
      ['duplicate', 2],
      ['refused', 1],
    ])
      expect(await metric(`orderwire_webhooks_total{connection="shop",outcome="${outcome}"}`)).toBe(count)
  })
})
