import { describe, expect, test } from 'vitest'
import type { Clock } from '../../../src/lib/clock.ts'
import { createPace, type Priority } from '../../../src/sources/shared/pace.ts'
import { failure } from '../loopback.ts'

/** A clock that goes forward only when told. */
function handClock(): Clock & { pass(ms: number): Promise<void> } {
  let now = 0
  const sleepers = new Set<{ at: number; wake: () => void }>()
  const settle = () => new Promise<void>(resolve => setImmediate(resolve))
  return {
    now: () => now,
    monotonic: () => now,
    after: () => () => {},
    sleep: (ms, signal) =>
      new Promise(resolve => {
        const sleeper = {
          at: now + ms,
          wake: () => {
            sleepers.delete(sleeper)
            resolve()
          },
        }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', sleeper.wake, { once: true })
      }),
    async pass(ms) {
      const end = now + ms
      await settle()
      for (;;) {
        const [first] = [...sleepers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
        if (!first) break
        now = Math.max(now, first.at)
        first.wake()
        await settle()
      }
      now = end
    },
  }
}

function setUp(
  limit: { perSecond: number; burst: number },
  bookings?: { readonly waits: number[]; readonly fails?: boolean },
) {
  const clock = handClock()
  const book = async () => {
    if (bookings?.fails) throw new Error('the store is away')
    return bookings?.waits.shift() ?? 0
  }
  const pace = createPace({ limit, clock, ...(bookings && { book }) })
  const gone: string[] = []
  const stop = new AbortController()
  const take = (name: string, priority: Priority = 'live', signal = stop.signal) => {
    const taken = pace.take(priority, signal)
    taken.then(
      () => gone.push(`${name}@${clock.now()}`),
      () => {},
    )
    return taken
  }
  return { clock, pace, gone, take }
}

describe('the pace', () => {
  test('lets the burst go at once and the rest at the rate', async () => {
    const { clock, gone, take } = setUp({ perSecond: 2, burst: 3 })
    for (const name of ['a', 'b', 'c', 'd', 'e']) void take(name)
    await clock.pass(1_000)
    expect(gone).toEqual(['a@0', 'b@0', 'c@0', 'd@500', 'e@1000'])
  })

  test('lets a live request go before every waiting backfill request, and leaves it the last token', async () => {
    const { clock, gone, take } = setUp({ perSecond: 1, burst: 2 })
    void take('b1', 'backfill')
    void take('b2', 'backfill')
    await clock.pass(0)
    expect(gone).toEqual(['b1@0'])
    void take('l1')
    void take('l2')
    await clock.pass(3_000)
    expect(gone).toEqual(['b1@0', 'l1@0', 'l2@1000', 'b2@3000'])
  })

  test('a bucket of one still serves the backfill', async () => {
    const { clock, gone, take } = setUp({ perSecond: 1, burst: 1 })
    void take('b1', 'backfill')
    void take('b2', 'backfill')
    await clock.pass(1_000)
    expect(gone).toEqual(['b1@0', 'b2@1000'])
  })

  test('a request that is called off leaves the queue and costs no token', async () => {
    const { clock, gone, take } = setUp({ perSecond: 1, burst: 1 })
    const stop = new AbortController()
    void take('a')
    const waiting = take('b', 'live', stop.signal)
    void take('c')
    stop.abort()
    expect(await failure(waiting)).toMatchObject({ code: 'vendor.aborted' })
    expect(await failure(take('d', 'live', stop.signal))).toMatchObject({ code: 'vendor.aborted' })
    await clock.pass(1_000)
    expect(gone).toEqual(['a@0', 'c@1000'])
  })
})

describe('a rest', () => {
  test('of some seconds is waited for, then the pace is half and recovers slowly', async () => {
    const { clock, pace, gone, take } = setUp({ perSecond: 2, burst: 2 })
    pace.rest(4_000)
    for (const name of ['a', 'b', 'c']) void take(name)
    await clock.pass(6_000)
    expect(gone).toEqual(['a@4000', 'b@5000', 'c@6000'])
    for (let answers = 0; answers < 25; answers++) pace.recover()
    void take('d')
    await clock.pass(500)
    expect(gone.at(-1)).toBe('d@6500')
  })

  test('of a minute is told to the callers at once, those that wait already included', async () => {
    const { clock, pace, take } = setUp({ perSecond: 1, burst: 1 })
    void take('a')
    const waiting = take('b')
    pace.rest(60_000)
    expect(await failure(waiting)).toMatchObject({ code: 'vendor.rate_limited', retryAfterMs: 60_000 })
    await clock.pass(20_000)
    expect(await failure(take('c'))).toMatchObject({ intent: 'retry', retryAfterMs: 40_000 })
  })

  test('asked for by several answers at once slows down once', async () => {
    const { clock, pace, gone, take } = setUp({ perSecond: 2, burst: 1 })
    pace.rest(1_000)
    pace.rest(1_000)
    pace.rest(1_000)
    void take('a')
    void take('b')
    await clock.pass(3_000)
    expect(gone).toEqual(['a@1000', 'b@2000'])
  })
})

describe('case 50: a pace that is shared between processes', () => {
  test('books each request, and decides who goes when its turn has come', async () => {
    const { clock, gone, take } = setUp({ perSecond: 10, burst: 10 }, { waits: [0, 400, 300] })
    void take('a')
    void take('b1', 'backfill')
    await clock.pass(100)
    void take('l1')
    await clock.pass(1_000)
    expect(gone).toEqual(['a@0', 'l1@400', 'b1@700'])
  })

  test('keeps to its own limit where the others book nothing, or their word cannot be had', async () => {
    for (const bookings of [{ waits: [] }, { waits: [], fails: true }]) {
      const { clock, gone, take } = setUp({ perSecond: 1, burst: 1 }, bookings)
      for (const name of ['a', 'b', 'c']) void take(name)
      await clock.pass(2_000)
      expect(gone).toEqual(['a@0', 'b@1000', 'c@2000'])
    }
  })

  test('gives what was booked for a request that was called off to the next', async () => {
    const waits = [500, 0, 0]
    const { clock, gone, take } = setUp({ perSecond: 10, burst: 10 }, { waits })
    const stop = new AbortController()
    const off = take('off', 'live', stop.signal)
    stop.abort()
    expect(await failure(off)).toMatchObject({ code: 'vendor.aborted' })
    void take('a')
    await clock.pass(600)
    expect([gone, waits.length]).toEqual([['a@500'], 2])
  })
})
