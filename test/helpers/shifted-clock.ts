import { type Clock, systemClock } from '../../src/lib/clock.ts'

/** The real clock, which a test can set forward (or back) without waiting; timers are not moved. */
export function shiftedClock(): Clock & { shift(ms: number): void } {
  const real = systemClock()
  let offset = 0
  return {
    ...real,
    now: () => real.now() + offset,
    shift(ms) {
      offset += ms
    },
  }
}
