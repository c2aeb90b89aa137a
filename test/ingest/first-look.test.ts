import { describe, expect, test } from 'vitest'
import { AppError } from '../../src/lib/errors.ts'
import { type FeedScript, MINUTE_START, ordersUpdatedAt } from '../helpers/scripted-feed.ts'
import { paid } from '../helpers/snapshots.ts'
import { clock, history, newStoreForEachTest, scene, signal, store } from './scene.ts'

newStoreForEachTest()

const down = new AppError('GET /orders answered 503', { code: 'vendor.unavailable', intent: 'retry' })
const refused = new AppError('GET /orders answered 401', { code: 'vendor.unauthorized', intent: 'stop' })
const HOUR = 3_600_000
/** When the connection is first seen: a second of the minute that rows are told by. */
const SEEN = 60

/** Polls fail for two hours from the first on, while an order is made two seconds in; then one goes well. */
async function firstPollAfter(
  failure: AppError,
  options: Partial<Parameters<typeof scene>[0]> = {},
  seconds = [SEEN + 2],
) {
  const rows = ordersUpdatedAt(seconds).map(row => ({ ...row, paid: paid() }))
  const script: FeedScript = { rows, pageSize: 10 }
  let isDown = true
  script.before = () => {
    if (isDown) throw failure
    return undefined
  }
  const { ingest, requests } = await scene({ script, now: () => clock.now(), ...options })
  for (let hour = 0; hour < 2; hour++) {
    await expect(ingest.poll('shop', { signal })).rejects.toThrow()
    clock.shift(HOUR)
  }
  isDown = false
  const { events } = await ingest.poll('shop', { signal })
  return { events, requests }
}

describe('the first look back begins where the connection was first seen', () => {
  test.each([
    ['is down', down],
    ['refuses the credentials', refused],
  ])('case 48: also when the vendor %s for longer than the overlap after the first start', async (_, failure) => {
    const { events } = await firstPollAfter(failure)
    expect(events).toHaveLength(1)
    expect((await store.connections.get('shop'))?.firstSeenAt).toBeLessThan(MINUTE_START + 120_000)
  })

  test('case 48: the vendor is asked from the overlap before it, and from nothing older', async () => {
    const { events, requests } = await firstPollAfter(down, {}, [SEEN - 590, SEEN - 660])
    expect(events).toHaveLength(1)
    const from = requests.at(-1)?.window.from ?? 0
    expect(Math.abs(from - (MINUTE_START + (SEEN - 600) * 1_000))).toBeLessThan(20_000)
  })

  test('case 48: a backfill given as a duration is measured from it, not from each try', async () => {
    const { events } = await firstPollAfter(down, { backfill: '30m' }, [SEEN - 25 * 60, SEEN - 35 * 60])
    expect(events).toHaveLength(1)
  })

  test('case 48: a new process uses it, and so does a connection that was disabled meanwhile', async () => {
    const rows = ordersUpdatedAt([SEEN + 2]).map(row => ({ ...row, paid: paid() }))
    const failing = await scene({
      script: { rows, before: () => Promise.reject(down) as never },
      now: () => clock.now(),
    })
    await expect(failing.ingest.poll('shop', { signal })).rejects.toThrow('503')
    clock.shift(24 * HOUR)
    const { ingest } = await scene({ script: { rows, pageSize: 10 }, now: () => clock.now() })
    expect((await ingest.poll('shop', { signal })).events).toHaveLength(1)
  })

  test('case 48: with a vendor whose clock is behind, it is earlier by the same time', async () => {
    const behind = 20 * 60_000
    const { events } = await firstPollAfter(down, { now: () => clock.now() - behind }, [SEEN + 2 - 20 * 60])
    expect(events).toHaveLength(1)
  })

  test('a dry run before the first poll stores nothing', async () => {
    const { ingest } = await scene({ script: { rows: [] } })
    await ingest.poll('shop', { signal, dryRun: true })
    expect(await store.connections.get('shop')).toMatchObject({ firstSeenAt: null, cursor: null })
  })

  test('a connection that was polled, and disabled for a day, goes on from its cursor', async () => {
    const script: FeedScript = { rows: [], pageSize: 10 }
    const first = await scene({ script, now: () => clock.now() })
    await first.ingest.poll('shop', { signal })
    script.rows = ordersUpdatedAt([SEEN + 60, SEEN + 80_000]).map(row => ({ ...row, paid: paid() }))
    clock.shift(24 * HOUR)
    const { ingest } = await scene({ script, now: () => clock.now() })
    await ingest.poll('shop', { signal })
    expect(await history()).toHaveLength(2)
  })
})
