import { describe, expect, test } from 'vitest'
import { AppError } from '../../src/lib/errors.ts'
import type { Window } from '../../src/sources/source.ts'
import { type FeedScript, MINUTE_START, ordersUpdatedAt } from '../helpers/scripted-feed.ts'
import { paid } from '../helpers/snapshots.ts'
import { clock, history, memoryLog, newStoreForEachTest, scene, signal, store } from './scene.ts'

newStoreForEachTest()

const MINUTE = 60_000
const failure = (code = 'vendor.unavailable') => new AppError('GET /orders answered 500', { code, intent: 'retry' })
const ids = async () => new Set((await history()).map(({ data }) => data.orderId))
const second = (n: number) => MINUTE_START + n * 1000
const holds = ({ from, to }: Window, seconds: readonly number[]) =>
  seconds.some(n => second(n) >= from && second(n) <= to)

/** A shop whose list fails whenever it holds an order of one of the `broken` seconds. */
function brokenShop(seconds: readonly number[], broken: number[], code?: string) {
  const rows = ordersUpdatedAt(seconds).map(row => ({ ...row, paid: paid() }))
  const script: FeedScript = { rows, pageSize: 10 }
  script.before = ({ window }) => {
    if (holds(window, broken)) throw failure(code)
    return undefined
  }
  return { script, mend: () => broken.splice(0) }
}

/** The first failure of a window may be a moment of the vendor; the second starts the search. */
async function pollTwice({ ingest }: Awaited<ReturnType<typeof scene>>) {
  await expect(ingest.poll('shop', { signal })).rejects.toThrow()
  return ingest.poll('shop', { signal })
}

describe('case 43: a list that fails whenever it holds one order', () => {
  test.each(['vendor.unavailable', 'vendor.not_json', 'kakaclo.failed', 'shoplazza.malformed', 'vendor.refused'])(
    'costs only one tick of update time, which is in quarantine with the reason (%s)',
    async code => {
      const { script } = brokenShop([5, 20, 21, 22, 50], [21], code)
      const world = await scene({ script })
      const { events } = await pollTwice(world)
      expect(events.length).toBe(4)
      expect(await ids()).toEqual(new Set(['o-1', 'o-2', 'o-4', 'o-5']))
      expect(await store.quarantine.list({ connection: 'shop' }, { limit: 10 })).toMatchObject([
        {
          orderId: null,
          path: 'updated_at',
          value: '2026-03-05T12:00:21.000Z/2026-03-05T12:00:21.000Z',
          reason: expect.stringContaining('GET /orders answered 500'),
          span: { from: second(21), to: second(21) },
        },
      ])
      const row = await store.connections.get('shop')
      expect(row).toMatchObject({ state: 'ok', lastError: null })
      expect(row?.cursor).toBeGreaterThan(second(40))
      expect(row?.cursor).toBeLessThanOrEqual(second(60))
      expect(world.lines.filter(({ msg }) => String(msg).includes('in quarantine'))).toHaveLength(1)
    },
  )

  test('is not read by later polls, which need one more request', async () => {
    const { script } = brokenShop([5, 21, 50], [21])
    const world = await scene({ script })
    await pollTwice(world)
    world.requests.length = 0
    for (let poll = 0; poll < 3; poll++) await world.ingest.poll('shop', { signal })
    expect(world.requests.length).toBe(6)
    expect(world.requests.some(({ window }) => holds(window, [21]))).toBe(false)
  })

  test('is found within fifty requests', async () => {
    const { script } = brokenShop([5, 21, 50], [21])
    const world = await scene({ script, backfill: '1d' })
    await pollTwice(world)
    expect(world.requests.length).toBeLessThan(50)
  })

  test('each of several broken orders is found', async () => {
    const { script } = brokenShop([5, 20, 21, 22, 50], [5, 21, 22])
    await pollTwice(await scene({ script }))
    expect(await ids()).toEqual(new Set(['o-2', 'o-5']))
    expect((await store.quarantine.spans('shop')).map(({ from }) => from)).toEqual([5, 21, 22].map(second))
  })

  test('more than five broken orders are found by several polls', async () => {
    const broken = [2, 4, 6, 8, 10, 12, 14]
    const { script } = brokenShop([...broken, 55, 1], [...broken])
    const world = await scene({ script })
    await expect(pollTwice(world)).rejects.toThrow()
    await world.ingest.poll('shop', { signal })
    expect(await store.quarantine.spans('shop')).toHaveLength(7)
    expect(await ids()).toEqual(new Set(['o-8', 'o-9']))
  })

  test('is read again after 1, 5 and 30 minutes and then hourly; once it can be read, its events are published and the entry is removed', async () => {
    const { script, mend } = brokenShop([5, 21], [21])
    const world = await scene({ script, now: () => clock.now() })
    const eventsOf = async () => (await world.ingest.poll('shop', { signal })).events.length
    await pollTwice(world)
    for (const minutes of [1, 5, 30, 60, 60]) {
      clock.shift((minutes - 0.5) * MINUTE)
      world.requests.length = 0
      await eventsOf()
      expect(world.requests.filter(({ window }) => holds(window, [21]))).toHaveLength(0)
      clock.shift(0.5 * MINUTE + 1_000)
      world.requests.length = 0
      expect(await eventsOf()).toBe(0)
      expect(world.requests.filter(({ window }) => holds(window, [21]))).toHaveLength(1)
    }
    mend()
    clock.shift(60 * MINUTE)
    expect(await eventsOf()).toBe(1)
    expect(await ids()).toEqual(new Set(['o-1', 'o-2']))
    expect(await store.quarantine.list({}, { limit: 10 })).toEqual([])
  })

  test('is read again at once on request', async () => {
    const { script, mend } = brokenShop([5, 21], [21])
    const world = await scene({ script })
    await pollTwice(world)
    mend()
    const [entry] = await store.quarantine.list({}, { limit: 1 })
    await store.quarantine.makeDue(entry?.id ?? '', clock.now())
    expect((await world.ingest.poll('shop', { signal })).events).toHaveLength(1)
    expect(await store.quarantine.spans('shop')).toEqual([])
  })

  test('is known to the next process, which publishes its events once it can be read', async () => {
    const { script, mend } = brokenShop([5, 21], [21])
    await pollTwice(await scene({ script }))
    mend()
    clock.shift(2 * MINUTE)
    const { control, log } = memoryLog()
    const world = await scene({ script, eventLog: log })
    await world.ingest.poll('shop', { signal })
    expect(control.appended).toHaveLength(1)
    expect(await ids()).toEqual(new Set(['o-1', 'o-2']))
  })

  test('in a gap: the tick is quarantined and the gap is read to its end', async () => {
    const { script } = brokenShop([-80_000, -50_000, -49_999, 30], [-50_000])
    const world = await scene({ script, backfill: '1d' })
    await pollTwice(world)
    expect(await ids()).toEqual(new Set(['o-1', 'o-3', 'o-4']))
    expect(await store.quarantine.spans('shop')).toMatchObject([{ from: second(-50_000), to: second(-50_000) }])
  })

  test('on the second page: the orders of the first page are taken, and the tick is found', async () => {
    const rows = ordersUpdatedAt([1, 2, 3, 4, 5, 6]).map(row => ({ ...row, paid: paid() }))
    const script: FeedScript = { rows, pageSize: 2 }
    script.before = ({ window, page }) => {
      const inside = rows.filter(({ updatedAt }) => {
        const at = Date.parse(updatedAt ?? '')
        return at >= window.from && at <= window.to
      })
      if (inside.slice((page - 1) * 2, page * 2).some(({ orderId }) => orderId === 'o-4')) throw failure()
      return undefined
    }
    await pollTwice(await scene({ script }))
    expect(await ids()).toEqual(new Set(['o-1', 'o-2', 'o-3', 'o-5', 'o-6']))
    expect(await store.quarantine.spans('shop')).toMatchObject([{ from: second(4), to: second(4) }])
  })

  test('with windows that are open at the end: the tick is found, and no order beside it is lost', async () => {
    const rows = ordersUpdatedAt([20, 21, 22]).map(row => ({ ...row, paid: paid() }))
    const script: FeedScript = { rows, pageSize: 10 }
    script.before = ({ window, page }) => {
      const orders = rows.filter(({ updatedAt }) => {
        const at = Date.parse(updatedAt ?? '')
        return at >= window.from && at < window.to
      })
      if (orders.some(({ orderId }) => orderId === 'o-2')) throw failure()
      return { orders: page === 1 ? orders : [], rejects: [], next: null, total: orders.length, pageSize: 10 }
    }
    await pollTwice(await scene({ script }))
    expect(await ids()).toEqual(new Set(['o-1', 'o-3']))
    expect(await store.quarantine.spans('shop')).toMatchObject([{ from: second(21), to: second(22) }])
  })

  test('a dry run quarantines nothing', async () => {
    const { script } = brokenShop([5, 21], [21])
    const world = await scene({ script })
    for (let poll = 0; poll < 2; poll++) await world.ingest.poll('shop', { signal, dryRun: true }).catch(() => {})
    expect(await store.quarantine.spans('shop')).toEqual([])
  })
})

describe('an outage is not taken for a broken order', () => {
  test('case 43: while the vendor answers nothing, a poll is at most two requests, and nothing is in quarantine', async () => {
    const rows = ordersUpdatedAt([5, 21]).map(row => ({ ...row, paid: paid() }))
    const script: FeedScript = { rows, pageSize: 10 }
    script.before = () => {
      throw failure()
    }
    const world = await scene({ script })
    for (let poll = 0; poll < 6; poll++) {
      world.requests.length = 0
      await expect(world.ingest.poll('shop', { signal })).rejects.toThrow('answered 500')
      expect(world.requests.length).toBeLessThanOrEqual(2)
    }
    expect(await store.quarantine.spans('shop')).toEqual([])
    expect(await store.connections.get('shop')).toMatchObject({ state: 'failing', cursor: null })
    script.before = () => undefined
    expect((await world.ingest.poll('shop', { signal })).events).toHaveLength(2)
  })

  test('case 43: also when only windows with orders fail', async () => {
    const seconds = [5, 21, 33, 47, 50, 58]
    const { script, mend } = brokenShop(seconds, [...seconds])
    const world = await scene({ script })
    await expect(pollTwice(world)).rejects.toThrow('answered 500')
    expect(await store.quarantine.spans('shop')).toEqual([])
    mend()
    expect((await world.ingest.poll('shop', { signal })).events).toHaveLength(6)
  })

  test('case 43: after several such polls each of the orders is quarantined, and published once it can be read', async () => {
    const { script, mend } = brokenShop([5, 21], [5, 21])
    const world = await scene({ script })
    for (let poll = 0; poll < 4; poll++) await expect(world.ingest.poll('shop', { signal })).rejects.toThrow()
    await world.ingest.poll('shop', { signal })
    expect((await store.quarantine.spans('shop')).map(({ from }) => from)).toEqual([5, 21].map(second))
    mend()
    clock.shift(2 * MINUTE)
    await world.ingest.poll('shop', { signal })
    expect(await ids()).toEqual(new Set(['o-1', 'o-2']))
  })

  test('case 43: also when it begins during the search for a broken order', async () => {
    const { script } = brokenShop([5, 21, 50], [21])
    const { before } = script
    let answers = 12
    script.before = request => {
      if (answers-- < 0) throw failure()
      return before?.(request)
    }
    const world = await scene({ script })
    await expect(pollTwice(world)).rejects.toThrow()
    expect(await store.quarantine.spans('shop')).toEqual([])
  })

  test.each([
    [
      'a pause that was asked for',
      new AppError('429', { code: 'vendor.rate_limited', intent: 'retry', retryAfterMs: 1 }),
    ],
    ['refused credentials', new AppError('401', { code: 'vendor.unauthorized', intent: 'stop' })],
    ['a network that is down', new AppError('reset', { code: 'vendor.unreachable', intent: 'retry' })],
  ])('%s starts no search', async (_, error) => {
    const script: FeedScript = {
      rows: [],
      before: () => {
        throw error
      },
    }
    const world = await scene({ script })
    for (let poll = 0; poll < 3; poll++) await expect(world.ingest.poll('shop', { signal })).rejects.toThrow()
    expect(world.requests).toHaveLength(3)
  })
})

test('case 41: a total that is always too high costs one more reading and one warning, once', async () => {
  const rows = ordersUpdatedAt([5, 21]).map(row => ({ ...row, paid: paid() }))
  const script: FeedScript = { rows, pageSize: 10 }
  script.before = ({ window, page }) => {
    const orders = script.rows.filter(({ updatedAt }) => {
      const at = Date.parse(updatedAt ?? '')
      return at >= window.from && at <= window.to
    })
    const total = orders.length + 1
    return page === 1
      ? { orders, rejects: [], next: '2', total, pageSize: 10 }
      : { orders: [], rejects: [], next: null, total, pageSize: 10 }
  }
  const world = await scene({ script, now: () => clock.now() })
  expect((await world.ingest.poll('shop', { signal })).events).toHaveLength(2)
  expect(world.requests).toHaveLength(4)
  const requests: number[] = []
  for (let poll = 0; poll < 6; poll++) {
    clock.shift(5_000)
    if (poll === 3)
      script.rows = [
        ...rows,
        ...ordersUpdatedAt([63, 64, 65])
          .slice(2)
          .map(row => ({ ...row, paid: paid() })),
      ]
    world.requests.length = 0
    await world.ingest.poll('shop', { signal })
    requests.push(world.requests.length)
  }
  // What looks different may go on behind its first page.
  expect(requests).toEqual([1, 1, 1, 2, 1, 1])
  expect(await ids()).toEqual(new Set(['o-1', 'o-2', 'o-3']))
  expect(world.lines.filter(({ msg }) => String(msg).includes('does not list'))).toHaveLength(1)
  expect(await store.connections.get('shop')).toMatchObject({ state: 'ok', lastError: null })
})

test('case 41: another missing row is still noticed', async () => {
  const rows = ordersUpdatedAt([5, 21]).map(row => ({ ...row, paid: paid() }))
  const script: FeedScript = { rows, pageSize: 10 }
  let hidden = 0
  script.before = () => ({
    orders: script.rows.slice(hidden-- > 0 ? 1 : 0),
    rejects: [],
    next: null,
    total: script.rows.length + 1,
    pageSize: 10,
  })
  const world = await scene({ script, now: () => clock.now() })
  await world.ingest.poll('shop', { signal })
  const [one] = ordersUpdatedAt([60])
  script.rows = [...(one ? [{ ...one, orderId: 'o-9', paid: paid() }] : []), ...rows]
  hidden = 1
  expect((await world.ingest.poll('shop', { signal })).events).toHaveLength(1)
})
