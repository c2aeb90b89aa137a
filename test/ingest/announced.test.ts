import { expect, test } from 'vitest'
import type { OrderSnapshot } from '../../schemas/order.ts'
import { AppError } from '../../src/lib/errors.ts'
import { memoryClock } from '../helpers/memory-clock.ts'
import type { FeedScript } from '../helpers/scripted-feed.ts'
import { paid, refundTotal, snapshot } from '../helpers/snapshots.ts'
import { gists, newStoreForEachTest, scene, store } from './scene.ts'

newStoreForEachTest()

/** Case 46: a webhook comes before the API shows what it announces. Time is driven; the vendor is asked for lists once an hour. */

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const SCHEDULE = [0, 1, 3, 10, 60, 600]

async function shop(script: FeedScript = { rows: [] }, pollEvery = '1h') {
  const time = memoryClock()
  const began = time.now()
  /** As the vendor shows it; null: 404. */
  const vendor = { order: null as OrderSnapshot | null, failure: null as AppError | null }
  const fetched: OrderSnapshot[] = []
  const readAt: number[] = []
  let announcedAt = 0
  const open = () =>
    scene({
      script,
      fetched,
      time,
      now: () => time.now(),
      pollEvery,
      fetchFails: () => {
        readAt.push((time.now() - announcedAt) / SECOND)
        fetched.splice(0, fetched.length, ...(vendor.order ? [vendor.order] : []))
        return vendor.failure
      },
    })
  let process = await open()
  let stop = new AbortController()
  let running = process.ingest.run(stop.signal)
  await time.advance(10)

  const end = async () => {
    stop.abort()
    await time.advance(0)
    await running
  }
  return {
    time,
    began,
    vendor,
    /** Seconds after the last webhook. */
    readAt,
    end,
    async announce() {
      announcedAt = time.now()
      await process.ask('o-1', true)
      await time.advance(0)
    },
    ask: () => process.ask('o-1'),
    async restart(downMs: number) {
      await end()
      await time.advance(downMs)
      process = await open()
      stop = new AbortController()
      running = process.ingest.run(stop.signal)
      await time.advance(10)
    },
    lines: () => process.lines,
  }
}

const seconds = (times: readonly number[]) => times.map(Math.floor)

test('an announced order that stays absent is read after 0, 1, 3, 10, 60 s and 10 min, and then no more (case 46)', async () => {
  const { announce, time, readAt, end } = await shop()
  await announce()
  await time.advance(15 * MINUTE)
  expect(seconds(readAt)).toEqual(SCHEDULE)
  expect(await store.orderReads.upcoming('shop', 1)).toEqual([])
  await end()
})

test('an announced order that the API shows after 5 s is published at 10 s and not read again (case 46)', async () => {
  const { announce, time, readAt, vendor, end } = await shop()
  await announce()
  await time.advance(5 * SECOND)
  vendor.order = snapshot({ paid: paid() })
  await time.advance(15 * MINUTE)
  expect([seconds(readAt), await gists()]).toEqual([[0, 1, 3, 10], ['o-1 paid 20.00']])
  await end()
})

test('an order that still looks as before is read again until it changes (case 46)', async () => {
  const { announce, time, readAt, vendor, end } = await shop()
  vendor.order = snapshot({ paid: paid() })
  await announce()
  expect([seconds(readAt), await gists()]).toEqual([[0], ['o-1 paid 20.00']])
  await time.advance(MINUTE)
  readAt.length = 0
  await announce() // of a refund, which the API shows half a minute later, without another update time
  await time.advance(30 * SECOND)
  expect(seconds(readAt)).toEqual([0, 1, 3, 10])
  vendor.order = snapshot({ paid: paid(), refund: refundTotal('20.00') })
  await time.advance(15 * MINUTE)
  expect(seconds(readAt)).toEqual([0, 1, 3, 10, 60])
  expect(await gists()).toHaveLength(2)
  await end()
})

test('an announced order that answers 500 is read again at the same times, not every 15 s (case 46)', async () => {
  const { announce, time, readAt, vendor, end } = await shop()
  vendor.failure = new AppError('answered 500', { code: 'vendor.unavailable', intent: 'retry' })
  await announce()
  await time.advance(2 * SECOND)
  expect(seconds(readAt)).toEqual([0, 1])
  vendor.failure = null
  vendor.order = snapshot({ paid: paid() })
  await time.advance(15 * MINUTE)
  expect([seconds(readAt), await gists()]).toEqual([[0, 1, 3], ['o-1 paid 20.00']])
  await end()
})

test('an announced order that cannot be read for longer is tried once an hour (case 46)', async () => {
  const { announce, time, readAt, vendor, end } = await shop()
  vendor.failure = new AppError('answered 500', { code: 'vendor.unavailable', intent: 'retry' })
  await announce()
  await time.advance(75 * MINUTE)
  expect(seconds(readAt)).toEqual([...SCHEDULE, 4_200])
  await end()
})

test('an announced order that cannot be read for a day is given up with a warning (case 46)', async () => {
  const { time, readAt, vendor, end, lines } = await shop()
  vendor.failure = new AppError('answered 500', { code: 'vendor.unavailable', intent: 'retry' })
  const read = { connection: 'shop', orderId: 'o-1', userId: null, announced: true, seen: '' }
  await store.orderReads.ask({ ...read, askedAt: time.now() - 24 * HOUR })
  await time.advance(MINUTE)
  expect([readAt.length, await store.orderReads.upcoming('shop', 1)]).toEqual([1, []])
  expect(lines().map(({ msg }) => msg)).toContain(
    'an order could not be read for a day; giving up until a poll lists it',
  )
  await end()
})

test('the readings of an announced order go on at their times after a restart (case 46)', async () => {
  const { announce, time, readAt, vendor, end, restart } = await shop()
  await announce()
  await time.advance(5 * SECOND)
  await restart(2 * SECOND)
  vendor.order = snapshot({ paid: paid() })
  await time.advance(15 * MINUTE)
  expect([seconds(readAt), await gists()]).toEqual([[0, 1, 3, 10], ['o-1 paid 20.00']])
  await end()
})

test('a change that a poll finds ends the readings without another request (case 46)', async () => {
  const script: FeedScript = { rows: [] }
  const { announce, time, readAt, end, began } = await shop(script, '10m')
  await time.advance(10 * MINUTE - 20 * SECOND)
  await announce()
  script.rows = [snapshot({ paid: paid(), updatedAt: new Date(began + 10 * MINUTE - 20 * SECOND).toISOString() })]
  await time.advance(12 * MINUTE)
  expect([seconds(readAt), await gists()]).toEqual([[0, 1, 3, 10], ['o-1 paid 20.00']])
  await end()
})

test('another webhook for a waiting order restarts its readings (case 46)', async () => {
  const { announce, time, readAt, end } = await shop()
  await announce()
  await time.advance(30 * SECOND)
  readAt.length = 0
  await announce()
  await time.advance(15 * MINUTE)
  expect(seconds(readAt)).toEqual(SCHEDULE)
  await end()
})

test('an order that a person asks for is read once, changed or not', async () => {
  const { ask, time, readAt, vendor, end } = await shop()
  vendor.order = snapshot()
  for (let times = 0; times < 2; times++) {
    await ask()
    await time.advance(2 * MINUTE)
  }
  expect(readAt).toHaveLength(2)
  await end()
})

test('a flood of webhooks for many orders is read in batches, each order once', async () => {
  const time = memoryClock()
  const orders = Array.from({ length: 500 }, (_, n) => snapshot({ orderId: `o-${n}`, paid: paid() }))
  const { ingest, ask, fetches } = await scene({ script: { rows: [] }, fetched: orders, time, pollEvery: '1h' })
  for (const { orderId } of orders) for (let repeat = 0; repeat < 3; repeat++) await ask(orderId, true)
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  await time.advance(15 * MINUTE)
  stop.abort()
  await time.advance(0)
  await running
  expect([fetches.length, fetches.flat().length]).toEqual([10, 500])
})
