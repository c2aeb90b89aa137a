import type { Clock } from '../lib/clock.ts'

export interface BucketLimit {
  readonly perSecond: number
  readonly burst: number
}

/** A leaky bucket as vendors describe theirs: `burst` requests fit in, `perSecond` leak out. */
export interface Bucket {
  /** Takes a request in: 0. Full: how many milliseconds until there is room. */
  take(): number
}

export function createBucket({ perSecond, burst }: BucketLimit, clock: Pick<Clock, 'monotonic'>): Bucket {
  let level = 0
  let at = clock.monotonic()
  return {
    take() {
      const now = clock.monotonic()
      level = Math.max(0, level - ((now - at) * perSecond) / 1000)
      at = now
      if (level + 1 > burst) return ((level + 1 - burst) * 1000) / perSecond
      level += 1
      return 0
    },
  }
}
