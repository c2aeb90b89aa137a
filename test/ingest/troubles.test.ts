import { expect, test } from 'vitest'
import { AppError } from '../../src/lib/errors.ts'
import { pictureOf } from '../../src/order/picture.ts'
import type { FeedScript } from '../helpers/scripted-feed.ts'
import { ordersUpdatedAt } from '../helpers/scripted-feed.ts'
import { paid, refundTotal, snapshot } from '../helpers/snapshots.ts'
import { until } from '../helpers/until.ts'
import { clock, memoryLog, newStoreForEachTest, scene, signal, store } from './scene.ts'

newStoreForEachTest()

const row = async () => store.connections.get('shop')

test('a log that refuses our credentials is shown in the connection while polls go on, until it takes events', async () => {
  const memory = memoryLog()
  const script: FeedScript = { rows: ordersUpdatedAt([1]).map(one => ({ ...one, paid: paid() })) }
  let refuses = true
  const eventLog = {
    ...memory.log,
    append: async (events: Parameters<typeof memory.log.append>[0]) => {
      if (refuses) throw new AppError('Kafka refused the user name.', { code: 'kafka.sasl', intent: 'stop' })
      await memory.log.append(events)
    },
  }
  const { ingest, requests, lines } = await scene({ script, eventLog, hurry: 20 })
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  await until('the trouble is shown', async () => (await row())?.state === 'failing')
  const before = requests.length
  await until('polls go on', () => requests.length > before + 5)
  expect(await row()).toMatchObject({ state: 'failing', lastError: 'Publishing: Kafka refused the user name.' })
  expect(ingest.troubles?.().get('shop')).toBe('Publishing: Kafka refused the user name.')
  expect(ingest.health()).toContain('Kafka refused the user name.')
  expect(lines.filter(({ msg }) => msg === 'lost the lease')).toEqual([])
  refuses = false
  await until('it is over', async () => (await row())?.state === 'ok' && (await row())?.lastError === null)
  expect(memory.appended).toHaveLength(1)
  expect(ingest.troubles?.().size).toBe(0)
  stop.abort()
  await running
})

test('a failing gap is shown in the connection although its polls succeed, until it is read', async () => {
  const script: FeedScript = { rows: ordersUpdatedAt([1]) }
  const { ingest } = await scene({ script, hurry: 50 })
  const lease = await store.leases.acquire('connection/shop', 'one', 60_000, Date.now())
  const gap = { from: 1_000_000, to: 2_000_000 }
  if (lease) await store.connections.update(lease, 'shop', { gaps: { opened: [gap] } })
  let fails = true
  script.before = ({ window }) => {
    if (fails && window.to <= gap.to)
      throw new AppError('The vendor answered 500.', { code: 'vendor.failed', intent: 'retry' })
    return undefined
  }
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  await until('the trouble is shown', async () => (await row())?.lastError === 'Backfill: The vendor answered 500.')
  const polledAt = (await row())?.lastSuccessAt ?? 0
  await until('a poll succeeded since', async () => ((await row())?.lastSuccessAt ?? 0) > polledAt)
  expect((await row())?.state).toBe('failing')
  fails = false
  await until('it is over', async () => (await row())?.state === 'ok')
  expect((await row())?.lastError).toBeNull()
  stop.abort()
  await running
})

test('a single order that repeatedly cannot be read is shown in the connection until it can be read', async () => {
  let fails = true
  const { ingest } = await scene({
    script: { rows: ordersUpdatedAt([1]) },
    fetchFails: () =>
      fails ? new AppError('The vendor answered 502.', { code: 'vendor.failed', intent: 'retry' }) : null,
    hurry: 50,
  })
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  const shown = async () => (await row())?.lastError?.startsWith('Single orders: ') === true
  await until('a poll has read the order', async () => (await store.orders.get('shop', 'o-1')) !== null)
  const seen = pictureOf((await store.orders.get('shop', 'o-1'))?.snapshot)
  const asked = { connection: 'shop', orderId: 'o-1', userId: null, announced: true, seen, askedAt: clock.now() }
  await store.orderReads.ask(asked)
  ingest.refetch('shop', 'o-1')
  await until('the trouble is shown', shown)
  expect(await row()).toMatchObject({ state: 'failing' })
  fails = false
  await until('it is over', async () => (await row())?.state === 'ok')
  stop.abort()
  await running
})

test('a single order that cannot be read is no trouble any more once a poll has found its change', async () => {
  const script: FeedScript = { rows: ordersUpdatedAt([1]) }
  const { ingest } = await scene({
    script,
    fetchFails: () => new AppError('The vendor answered 502.', { code: 'vendor.failed', intent: 'retry' }),
    hurry: 50,
  })
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  await until('a poll has read the order', async () => (await store.orders.get('shop', 'o-1')) !== null)
  const seen = pictureOf((await store.orders.get('shop', 'o-1'))?.snapshot)
  const asked = { connection: 'shop', orderId: 'o-1', userId: null, announced: true, seen, askedAt: clock.now() }
  await store.orderReads.ask(asked)
  ingest.refetch('shop', 'o-1')
  await until('the trouble is shown', async () => (await row())?.lastError?.startsWith('Single orders: ') === true)
  script.rows = ordersUpdatedAt([1]).map(one => ({ ...one, paid: paid() }))
  await until('it is over', async () => (await row())?.state === 'ok')
  expect((await row())?.lastError).toBeNull()
  stop.abort()
  await running
})

test('a store that takes no writes is reported although the report cannot be stored', async () => {
  const { ingest } = await scene({ script: { rows: ordersUpdatedAt([1]) }, hurry: 20 })
  const write = store.connections.update
  const broken = { now: true }
  store.connections.update = (...args) =>
    broken.now
      ? Promise.reject(new AppError('The database is read-only.', { code: 'store.failed', intent: 'stop' }))
      : write(...args)
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  await until('it is told', () => ingest.health()?.includes('The database is read-only.') === true)
  expect(ingest.troubles?.().get('shop')).toContain('The database is read-only.')
  broken.now = false
  await until('it is over', () => ingest.health() === null && ingest.troubles?.().size === 0)
  stop.abort()
  await running
})

test('an order that cannot be read again is shown, read as soon as the vendor works again, and over when it was read', async () => {
  const updatedAt = new Date(clock.now()).toISOString()
  const order = snapshot({ updatedAt, paid: paid(), refund: refundTotal('5.00', { records: 'delayed' }) })
  const down = new AppError('The vendor answered 500.', { code: 'vendor.unavailable', intent: 'retry' })
  let works = true
  const script: FeedScript = {
    rows: [order],
    before: () => {
      if (!works) throw down
      return undefined
    },
  }
  let readable = true
  const { ingest, fetches } = await scene({
    script,
    now: clock.now(),
    fetched: [order],
    fetchFails: () => (readable ? null : down),
  })
  const poll = () => ingest.poll('shop', { signal })
  await poll()
  clock.shift(6_000)
  readable = false
  await poll()
  const shown = { state: 'failing', lastError: 'Orders to read again: 1 cannot be read: The vendor answered 500.' }
  expect(await row()).toMatchObject(shown)
  await poll()
  expect([await row(), fetches.length]).toMatchObject([shown, 1])
  works = false
  await expect(poll()).rejects.toThrow('500')
  works = true
  readable = true
  await poll()
  expect([await row(), fetches.length]).toMatchObject([shown, 1])
  await poll()
  expect([await row(), fetches.length]).toMatchObject([{ state: 'ok', lastError: null }, 2])
})
