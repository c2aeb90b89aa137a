import { expect, test } from 'vitest'
import { AppError } from '../../src/lib/errors.ts'
import type { FeedScript } from '../helpers/scripted-feed.ts'
import { paid, refundTotal, snapshot, vendorTime } from '../helpers/snapshots.ts'
import { until } from '../helpers/until.ts'
import { clock, gists, newStoreForEachTest, scene, signal, store } from './scene.ts'

newStoreForEachTest()

test('however many requests there are for one order, it is fetched once a second', async () => {
  const { ingest, fetches, ask } = await scene({
    script: { rows: [] },
    fetched: [snapshot({ orderId: 'o-7', paid: paid() })],
  })
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  const began = performance.now()
  for (let i = 0; i < 100; i++) await ask('o-7')
  await until('the order is read', async () => (await gists()).length === 1)
  const before = fetches.length
  for (let i = 0; i < 100; i++) await ask('o-7')
  await until('it is read again', () => fetches.length > before)
  stop.abort()
  await running
  const seconds = Math.ceil((performance.now() - began) / 1000)
  expect(new Set(fetches.flat())).toEqual(new Set(['o-7']))
  expect(fetches.length).toBeLessThanOrEqual(1 + seconds)
})

const broken = (orderIds: readonly string[]) =>
  orderIds.includes('o-broken') ? new AppError('answered 500', { code: 'vendor.unavailable', intent: 'retry' }) : null

test('an order that cannot be read delays no other requested order', async () => {
  const { ingest, fetches, ask } = await scene({
    script: { rows: [] },
    fetched: [snapshot({ orderId: 'o-7', paid: paid() }), snapshot({ orderId: 'o-8', paid: paid() })],
    fetchFails: broken,
  })
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  for (const orderId of ['o-7', 'o-broken']) await ask(orderId)
  await until('the other is read', async () => (await gists()).length === 1)
  await ask('o-8')
  await until('one asked for later is read', async () => (await gists()).length === 2)
  stop.abort()
  await running
  expect(fetches.filter(([orderId, ...more]) => orderId === 'o-broken' && more.length === 0)).toHaveLength(1)
})

test('after refused credentials no order is read until a poll succeeds', async () => {
  const refused = new AppError('answered 401', { code: 'vendor.unauthorized', intent: 'stop' })
  let trusted = false
  const script: FeedScript = {
    rows: [],
    before: () => {
      if (!trusted) throw refused
      return undefined
    },
  }
  const { ingest, fetches, ask } = await scene({
    script,
    fetched: [snapshot({ orderId: 'o-7', paid: paid() })],
    fetchFails: () => (trusted ? null : refused),
    hurry: 1_000, // a retry after 15 ms, a probe after 900 ms
  })
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  await ask('o-7')
  await until('it was refused', () => fetches.length === 1)
  const refusedAt = clock.monotonic()
  await until('many retries could have been', () => clock.monotonic() - refusedAt > 200)
  expect(fetches).toHaveLength(1)
  trusted = true
  await ingest.poll('shop', { signal })
  await until('the order is read', async () => (await gists()).length === 1)
  stop.abort()
  await running
})

test('a failed recheck undoes nothing that another reading of the order stored meanwhile', async () => {
  const updatedAt = new Date(clock.now()).toISOString()
  const row = snapshot({ updatedAt, paid: paid(), refund: refundTotal('5.00', { records: 'delayed' }) })
  const { ingest, fetches, ask } = await scene({
    script: { rows: [row] },
    now: clock.now(),
    fetched: [{ ...row, cancelled: { when: vendorTime(updatedAt), reason: null } }],
    fetchFails: async ids => {
      if (fetches.length > 1) return null
      await ask(row.orderId) // a webhook, while the recheck is on its way
      await until('what the webhook announced is stored', async () => (await gists()).length === 2)
      return broken([...ids, 'o-broken'])
    },
  })
  await ingest.poll('shop', { signal })
  clock.shift(6_000)
  const [due] = await store.orders.due('shop', clock.now(), 1)
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  const began = clock.now()
  const polledAt = async () => (await store.connections.get('shop'))?.lastSuccessAt ?? 0
  await until('the poll goes on after the recheck', async () => (await polledAt()) >= began)
  stop.abort()
  await running
  const stored = await store.orders.get('shop', row.orderId)
  expect([due?.orderId, stored?.state.sequence]).toEqual(['o-1', 2])
  expect(await gists()).toEqual(['o-1 paid 20.00', 'o-1 cancelled'])
})
