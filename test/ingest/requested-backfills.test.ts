import { expect, test } from 'vitest'
import { AppError } from '../../src/lib/errors.ts'
import type { FeedScript } from '../helpers/scripted-feed.ts'
import { paid, snapshot } from '../helpers/snapshots.ts'
import { until } from '../helpers/until.ts'
import { clock, gists, newStoreForEachTest, scene, store } from './scene.ts'

newStoreForEachTest()

/** Backfills on request. */

const DAY = 86_400_000
const START = Date.parse('2026-03-01T00:00:00Z')

const order = (orderId: string, at: number) => {
  const moment = new Date(at).toISOString()
  return snapshot({ orderId, placedAt: moment, updatedAt: moment, paid: paid() })
}
const ask = (id: string, since = START, until: number | null = START + 3 * DAY) =>
  store.backfills.add({ id, connection: 'shop', since, until, askedAt: clock.now() }, 0)
const ended = (id: string) => until('it ends', async () => (await store.backfills.get(id))?.endedAt != null)

test('a backfill reads the span once by creation and once by update, and publishes what was missing', async () => {
  const rows = [order('o-1', START + DAY), order('o-2', START + 2 * DAY), order('o-later', START + 4 * DAY)]
  const { ingest } = await scene({ script: { rows, listsCreated: true } })
  const stop = new AbortController()
  const running = ingest.run(stop.signal)
  await ask('one')
  ingest.backfill('shop')
  await ended('one')
  stop.abort()
  await running
  expect(await store.backfills.get('one')).toMatchObject({ error: null, progress: { pages: 2, orders: 2, events: 2 } })
  expect((await gists()).toSorted()).toEqual(['o-1 paid 20.00', 'o-2 paid 20.00'])
})

test('an interrupted backfill continues in the next process where it stopped', async () => {
  const rows = Array.from({ length: 60 }, (_, n) => order(`o-${n}`, START + n * 3_600_000))
  let pages = 0
  const script: FeedScript = { rows, pageSize: 1 }
  script.before = ({ window }) => {
    if (window.from < START + DAY && window.to > START && ++pages > 25)
      throw new AppError('answered 503', { code: 'vendor.unavailable', intent: 'retry' })
    return undefined
  }
  const first = await scene({ script })
  const stop = new AbortController()
  const running = first.ingest.run(stop.signal)
  await ask('one')
  first.ingest.backfill('shop')
  await until('it fails', async () => (await store.backfills.get('one'))?.error != null)
  stop.abort()
  await running
  const left = (await store.backfills.get('one'))?.progress?.spans ?? []
  expect(left.length).toBeGreaterThan(0)
  expect(left.every(({ to }) => to < START + 3 * DAY)).toBe(true)

  script.before = () => undefined
  const second = await scene({ script })
  const halt = new AbortController()
  const again = second.ingest.run(halt.signal)
  await ended('one')
  halt.abort()
  await again
  expect(second.requests.filter(({ window }) => window.to === START + 3 * DAY)).toEqual([])
  expect(new Set(await gists()).size).toBe(60)
})

test('a command without a server works on the backfill itself, publishes, and releases the lease', async () => {
  const { ingest } = await scene({ script: { rows: [order('o-1', START + DAY)] } })
  await ask('one')
  ingest.backfill('shop')
  await ended('one')
  await ingest.close()
  expect(await gists()).toEqual(['o-1 paid 20.00'])
  expect(await store.leases.acquire('connection/shop', 'another', 1_000, clock.now())).not.toBeNull()
})

test('a command without a server gives up a backfill that keeps failing, and says why', async () => {
  const script: FeedScript = { rows: [] }
  script.before = () => {
    throw new AppError('answered 503', { code: 'vendor.unavailable', intent: 'retry' })
  }
  const { ingest } = await scene({ script, hurry: 1_000 })
  await ask('one')
  ingest.backfill('shop')
  await ended('one')
  await ingest.close()
  expect((await store.backfills.get('one'))?.error).toBe('answered 503')
})
