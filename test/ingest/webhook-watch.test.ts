import { afterEach, beforeEach, expect, test } from 'vitest'
import { ShoplazzaConnection } from '../../schemas/vendor/connections.ts'
import { readAgain } from '../../src/api/read-again.ts'
import { createIngest } from '../../src/ingest/ingest.ts'
import { isSilent } from '../../src/ingest/webhook-watch.ts'
import { shoplazzaWebhook } from '../../src/sources/shoplazza/shoplazza-webhook.ts'
import type { Store } from '../../src/store/store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { recordingLog } from '../helpers/quiet.ts'
import { type FeedScript, MINUTE_START, ordersUpdatedAt, scriptedFeed } from '../helpers/scripted-feed.ts'
import { shiftedClock } from '../helpers/shifted-clock.ts'
import { paid, snapshot } from '../helpers/snapshots.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { unreadLog } from '../helpers/unread-log.ts'
import { until } from '../helpers/until.ts'

const MINUTE = 60_000
const clock = shiftedClock()
const signal = new AbortController().signal
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let store: Store
beforeEach(async () => {
  folder = await temporaryFolder()
  store = await openTestSqlite({ folder: folder.path, clock })
})
afterEach(async () => {
  await store.close()
  await folder.remove()
})

async function shop(own: { webhookSecret?: string } = { webhookSecret: 'artificial' }) {
  const script: FeedScript = { rows: [] }
  const config = ShoplazzaConnection.parse({
    id: 'shop',
    vendor: 'shoplazza',
    baseUrl: 'http://127.0.0.1:1/openapi/2022-01',
    accessToken: 't',
    ...own,
  })
  await store.connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
  const { log, lines } = recordingLog()
  const ingest = createIngest({
    connections: [
      {
        config,
        source: {
          feed: scriptedFeed(script).feed,
          ...(config.webhookSecret && { webhook: shoplazzaWebhook([config.webhookSecret].flat()) }),
          fetch: async refs => ({
            orders: refs.map(({ orderId }) => snapshot({ orderId, paid: paid() })),
            rejects: [],
          }),
          check: async () => 'scripted',
        },
        vendorNow: async () => MINUTE_START + 60_000,
      },
    ],
    store,
    eventLog: unreadLog,
    owner: 'one',
    clock,
    log,
    metrics: createMetrics(),
  })
  let orders = 0
  return {
    ingest,
    warnings: () => lines.filter(({ msg }) => msg.includes('no webhooks come')),
    poll: () => ingest.poll('shop', { signal }),
    /** So many more orders that a poll sees changed. */
    change(count: number) {
      orders += count
      script.rows = ordersUpdatedAt(Array.from({ length: orders }, (_, at) => at)).map(row => ({
        ...row,
        paid: paid(),
      }))
    },
    silent: async () => {
      const row = await store.connections.get('shop')
      return row !== null && isSilent(row, clock.now())
    },
  }
}

test('polls that find changes for a quarter of an hour without a webhook warn once, and say what to do', async () => {
  const { poll, change, silent, warnings } = await shop()
  await store.connections.heard('shop', clock.now())
  change(3)
  await poll()
  clock.shift(14 * MINUTE)
  change(3)
  await poll()
  expect([await silent(), warnings().length]).toEqual([false, 0])
  clock.shift(2 * MINUTE)
  await poll()
  await poll()
  expect([await silent(), warnings().length]).toEqual([true, 1])
  expect(warnings()[0]).toMatchObject({ level: 40, msg: expect.stringContaining('create it again') })
})

test('a webhook ends the silence, and the next silence warns again', async () => {
  const { poll, change, silent, warnings } = await shop()
  for (const expected of [1, 2]) {
    await store.connections.heard('shop', clock.now())
    await poll()
    expect(await silent()).toBe(false)
    change(5)
    await poll()
    clock.shift(16 * MINUTE)
    await poll()
    expect([await silent(), warnings().length]).toEqual([true, expected])
  }
})

test.each([
  ['where none ever came', async () => {}, 9],
  ['when few orders change', () => store.connections.heard('shop', clock.now()), 4],
])('it is no silence %s', async (_, before, orders) => {
  const { poll, change, silent, warnings } = await shop()
  await before()
  change(orders)
  await poll()
  clock.shift(60 * MINUTE)
  await poll()
  expect([await silent(), warnings()]).toEqual([false, []])
})

test('orders read on request do not count as found by polls', async () => {
  const { ingest, poll, silent } = await shop()
  await store.connections.heard('shop', clock.now())
  for (let order = 0; order < 9; order++) await readAgain({ store, ingest, clock }, 'shop', `w-${order}`)
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  await until('all are read', async () => (await store.orderReads.upcoming('shop', 1)).length === 0)
  await poll()
  clock.shift(60 * MINUTE)
  await poll()
  stop.abort()
  await running
  expect([await silent(), (await store.connections.get('shop'))?.unannounced]).toEqual([false, 0])
})

test('a connection that takes no webhooks does not miss them', async () => {
  const { poll, change, silent } = await shop({})
  await store.connections.heard('shop', clock.now())
  change(9)
  await poll()
  clock.shift(60 * MINUTE)
  await poll()
  expect(await silent()).toBe(false)
})
