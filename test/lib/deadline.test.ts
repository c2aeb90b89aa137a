import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { endsWithin } from '../../src/lib/deadline.ts'

describe('waiting for work at most so long', () => {
  const clock = systemClock()
  const never = new Promise(() => {})

  test('ends with the work, whether it succeeds or fails', async () => {
    expect(await endsWithin(clock, 60_000, Promise.resolve())).toBe(true)
    expect(await endsWithin(clock, 60_000, Promise.reject(new Error('broken')))).toBe(true)
  })

  test('ends after the time where the work does not', async () => {
    expect(await endsWithin(clock, 5, never)).toBe(false)
  })

  test('leaves no timer behind', async () => {
    const signals: (AbortSignal | undefined)[] = []
    const sleep = (_ms: number, signal?: AbortSignal): Promise<void> => {
      signals.push(signal)
      return new Promise(() => {})
    }
    await endsWithin({ ...clock, sleep }, 60_000, Promise.resolve())
    expect(signals.map(signal => signal?.aborted)).toEqual([true])
  })
})
