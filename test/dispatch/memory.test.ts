import { describe, expect, test } from 'vitest'
import { createMemory } from '../../src/dispatch/memory.ts'
import { createPageSize, within } from '../../src/lib/page-size.ts'

describe('the memory for live events', () => {
  test('is bounded for one destination', () => {
    const share = createMemory({ destination: 100, total: 1_000 }).share()
    expect([share.fits(60), share.full]).toEqual([true, false])
    share.take(60)
    expect([share.fits(40), share.fits(41), share.full]).toEqual([true, false, true])
    share.release(60)
    expect([share.fits(100), share.full]).toEqual([true, false])
  })

  test('is bounded for all destinations together', () => {
    const memory = createMemory({ destination: 100, total: 150 })
    const [first, second] = [memory.share(), memory.share()]
    first.take(100)
    second.take(40)
    expect([second.fits(10), second.fits(11)]).toEqual([true, false])
    first.release(100)
    expect(second.fits(11)).toBe(true)
  })

  test('takes an event of any size if the destination has no other, so that each makes progress', () => {
    const memory = createMemory({ destination: 100, total: 150 })
    const [greedy, other] = [memory.share(), memory.share()]
    greedy.take(150)
    expect([other.fits(500), other.full]).toEqual([true, false])
  })
})

describe('a page', () => {
  test('grows by doubling while rows are small, up to the most', () => {
    const size = createPageSize({ most: 100, bytes: 1_000_000 })
    const limits = Array.from({ length: 4 }, () => {
      size.seen(size.limit, size.limit * 10)
      return size.limit
    })
    expect(limits).toEqual([32, 64, 100, 100])
  })

  test('shrinks at once when rows are large, to one row at least', () => {
    const size = createPageSize({ most: 100, bytes: 1_000_000 })
    size.seen(16, 16 * 250_000)
    expect(size.limit).toBe(4)
    size.seen(1, 5_000_000)
    expect(size.limit).toBe(1)
    size.seen(0, 0)
    expect(size.limit).toBe(1)
  })

  test.each([
    [[10, 20, 30, 40], 60, [10, 20, 30]],
    [[100, 1], 60, [100]],
    [[1, 100], 60, [1]],
    [[], 60, []],
    [[1, 2], 60, [1, 2]],
  ])('of %j within %i is %j', (sizes, budget, kept) => {
    expect(within(sizes, budget, size => size)).toEqual(kept)
  })
})
