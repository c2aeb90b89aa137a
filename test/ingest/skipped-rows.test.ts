import { afterEach, beforeEach, expect, test } from 'vitest'
import { Connection } from '../../schemas/config.ts'
import { createIngest } from '../../src/ingest/ingest.ts'
import { parseJson } from '../../src/lib/exact-json.ts'
import { createKakaclo } from '../../src/sources/kakaclo/kakaclo.ts'
import type { VendorHttp } from '../../src/sources/shared/http.ts'
import type { OrderSource } from '../../src/sources/source.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { quietLog } from '../helpers/quiet.ts'
import { MINUTE_START } from '../helpers/scripted-feed.ts'
import { until } from '../helpers/until.ts'
import { clock, gists, memoryLog, newStoreForEachTest, store } from './scene.ts'

newStoreForEachTest()

/** Kakaclo with one order, whose row the tests change. */

const GOOD = {
  ...{ id: 1, status: 'processing', financialStatus: 'paid', fulfillmentStatus: 'NULL', refundStatus: 'NULL' },
  ...{ createDate: '2026-03-05T12:00:10Z', payDate: '2026-03-05T12:00:20Z', updateDate: '2026-03-05T12:00:30Z' },
  ...{ finalAmount: 10, currencyCode: 'USD', orderItems: [], fulfillments: null },
}
const shop = { row: GOOD as object, single: GOOD as object }
const ended: AbortController[] = []
beforeEach(() => {
  shop.row = shop.single = GOOD
})
afterEach(() => {
  for (const end of ended.splice(0)) end.abort()
})

const http: VendorHttp = {
  get: async (_, { query }) => {
    const list = typeof query === 'object' && 'ids' in query ? [shop.single] : [shop.row]
    const text = JSON.stringify({ code: 10000, message: 'success', data: { total: 1, list } })
    return { status: 200, headers: {}, text, json: () => parseJson(text) }
  },
  vendorNow: () => MINUTE_START + 60_000,
  offsetKnown: true,
  close: async () => {},
}

/** A process that works the shop. `skipped`: how many rows each page left out. */
async function work(owner: string) {
  const connection = { apiVersion: 'v2', token: 't', currency: 'USD' } as const
  const { feed, ...rest } = createKakaclo({ connection, http })
  if (feed.kind !== 'window') throw new Error('Kakaclo lists by time')
  const skipped: number[] = []
  const source: OrderSource = {
    ...rest,
    feed: {
      ...feed,
      async readPage(...asked) {
        const page = await feed.readPage(...asked)
        skipped.push(page.skipped?.rows.length ?? 0)
        return page
      },
    },
  }
  const config = Connection.parse({
    ...{ id: 'shop', vendor: 'kakaclo', baseUrl: 'http://127.0.0.1:1', token: 't', pollEvery: '1h', reconcile: false },
  })
  await store.connections.configure([{ id: 'shop', vendor: 'kakaclo', fingerprint: 'f' }])
  const ingest = createIngest({
    connections: [{ config, source, vendorNow: async () => MINUTE_START + 60_000 }],
    ...{ store, owner, clock, log: quietLog, metrics: createMetrics() },
    eventLog: memoryLog({ commitPublishes: true }).log,
  })
  /** Takes the lease and polls; the result gives it back. */
  async function start() {
    const end = new AbortController()
    ended.push(end)
    const before = skipped.length
    const running = ingest.run(end.signal)
    await until('the first poll has ended', () => skipped.length > before)
    return async () => {
      end.abort()
      await running
    }
  }
  const { signal } = new AbortController()
  const poll = () => ingest.poll('shop', { signal })
  return { ingest, poll, skipped, stop: await start(), start, signal }
}

const quarantined = async () => (await store.quarantine.list({}, { limit: 10 })).map(({ path }) => path)

test('a row that two polls showed alike is not parsed by the third', async () => {
  const { poll, skipped } = await work('one')
  await poll()
  await poll()
  expect(skipped).toEqual([0, 0, 1])
  expect(await gists()).toHaveLength(1)
})

test('a change of a known row is seen by the next poll', async () => {
  const { poll, skipped } = await work('one')
  await poll()
  await poll()
  shop.row = { ...GOOD, refundStatus: 'partial_refund', refundedAmount: 2.5 }
  await poll()
  expect(skipped.at(-1)).toBe(0)
  expect(await gists()).toHaveLength(2)
})

test('a known row is read again after a single reading stored the order otherwise, so quarantine is left', async () => {
  const { ingest, poll, skipped, signal } = await work('one')
  await poll()
  shop.single = { ...GOOD, financialStatus: 'mystery' }
  await ingest.poll('shop', { signal, orderId: '1' })
  expect(await quarantined()).toEqual(['financialStatus'])
  await poll()
  expect(skipped.at(-1)).toBe(0)
  expect(await quarantined()).toEqual([])
})

test('a known row is read again after another process had the lease, so quarantine is left', async () => {
  const one = await work('one')
  await one.poll()
  await one.stop()
  const two = await work('two')
  shop.row = { ...GOOD, financialStatus: 'mystery' }
  await two.poll()
  expect(await quarantined()).toEqual(['financialStatus'])
  await two.stop()
  shop.row = GOOD
  await one.start()
  await one.poll()
  expect(one.skipped.slice(0, 3)).toEqual([0, 0, 0])
  expect(await quarantined()).toEqual([])
})
