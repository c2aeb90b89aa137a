import { describe, expect, test } from 'vitest'
import { createTokenBucket } from '../../src/lib/token-bucket.ts'

describe('a token bucket', () => {
  let now = 0
  const clock = { monotonic: () => now }
  const takeAll = (bucket: ReturnType<typeof createTokenBucket>) => {
    let taken = 0
    for (; bucket.wait() === 0; taken += 1) bucket.take()
    return taken
  }

  test('gives the burst at once, then says how long to wait for the next token', () => {
    now = 0
    const bucket = createTokenBucket({ perSecond: 2, burst: 3 }, { clock })
    expect(takeAll(bucket)).toBe(3)
    expect(bucket.wait()).toBe(500)
    now = 400
    expect(bucket.wait()).toBeCloseTo(100)
    now = 500
    expect(takeAll(bucket)).toBe(1)
    expect(bucket.wait(2)).toBe(1_000)
  })

  test('never holds more than the burst', () => {
    now = 0
    const bucket = createTokenBucket({ perSecond: 2, burst: 3 }, { clock })
    now = 60_000
    expect(takeAll(bucket)).toBe(3)
  })

  test('refills at the speed of the moment', () => {
    now = 0
    let speed = 1
    const bucket = createTokenBucket({ perSecond: 2, burst: 1 }, { clock, speed: () => speed })
    bucket.take()
    speed = 0.5
    expect(bucket.wait()).toBe(1_000)
    now = 1_000
    expect(bucket.wait()).toBe(0)
  })

  test('that is drained keeps so many tokens, and gets no new ones before the given time', () => {
    now = 0
    const bucket = createTokenBucket({ perSecond: 1, burst: 5 }, { clock })
    bucket.drain(1, 10_000)
    now = 10_000
    expect(takeAll(bucket)).toBe(1)
    now = 12_000
    expect(takeAll(bucket)).toBe(2)
  })
})
