import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createEqualTimers } from '../../src/lib/equal-timers.ts'

/** A clock that is moved by hand; it counts its timers. */
function clockByHand() {
  let now = 0
  const timers = new Map<object, { due: number; run: () => void }>()
  return {
    monotonic: () => now,
    after(ms: number, run: () => void) {
      const key = {}
      timers.set(key, { due: now + ms, run })
      return () => void timers.delete(key)
    },
    pending: () => timers.size,
    forward(ms: number) {
      const end = now + ms
      for (;;) {
        const [next] = [...timers].filter(([, { due }]) => due <= end).sort(([, a], [, b]) => a.due - b.due)
        if (!next) break
        const [key, { due, run }] = next
        timers.delete(key)
        now = Math.max(now, due)
        run()
      }
      now = end
    },
  }
}

describe('timers of equal length', () => {
  test('run once when their time is over, unless they were cancelled, whenever they begin', () => {
    const step = fc.record({ wait: fc.nat(30), length: fc.constantFrom(10, 25), cancelAfter: fc.option(fc.nat(40)) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), steps => {
        const clock = clockByHand()
        const timers = createEqualTimers(clock)
        const ran = new Map<number, number[]>()
        const expected = new Map<number, number[]>()
        for (const [at, { wait, length, cancelAfter }] of steps.entries()) {
          clock.forward(wait)
          const begin = clock.monotonic()
          const cancel = timers.after(length, () => ran.set(at, [...(ran.get(at) ?? []), clock.monotonic()]))
          if (cancelAfter !== null && cancelAfter !== length) clock.after(cancelAfter, cancel)
          if (cancelAfter === null || cancelAfter >= length) expected.set(at, [begin + length])
        }
        clock.forward(1_000)
        expect(new Map([...ran].sort(([a], [b]) => a - b))).toEqual(expected)
        expect(clock.pending()).toBe(0)
      }),
    )
  })

  test('cost one timer of the clock for each length', () => {
    const clock = clockByHand()
    const timers = createEqualTimers(clock)
    const cancels = Array.from({ length: 500 }, (_, at) => timers.after(at % 2 === 0 ? 1_000 : 15_000, () => {}))
    expect(clock.pending()).toBe(2)
    for (const cancel of cancels) cancel()
    for (let at = 0; at < 500; at++) timers.after(15_000, () => {})
    expect(clock.pending()).toBe(2)
  })

  test('go on after one of them has thrown', () => {
    const clock = clockByHand()
    const timers = createEqualTimers(clock)
    const ran: string[] = []
    timers.after(10, () => {
      throw new Error('thrown by a timer')
    })
    clock.forward(5)
    timers.after(10, () => ran.push('the next one'))
    expect(() => clock.forward(5)).toThrow('thrown by a timer')
    clock.forward(10)
    expect(ran).toEqual(['the next one'])
  })
})
