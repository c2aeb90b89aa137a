import type { Clock } from './clock.ts'

export interface BucketLimit {
  readonly perSecond: number
  readonly burst: number
}

/** A full bucket holds `burst` tokens; `perSecond` come back. */
export interface TokenBucket {
  /** Milliseconds until the bucket holds this many tokens (default 1), not rounded; 0: it does now. */
  wait(needed?: number): number
  /** Takes one token, whether there is one or not. */
  take(): void
  /** Keeps at most `tokens` and adds none before `until`, a time of the monotonic clock. */
  drain(tokens: number, until: number): void
}

/** `speed`: a factor on `perSecond`, read at each refill; default 1. */
export function createTokenBucket(
  { perSecond, burst }: BucketLimit,
  deps: { readonly clock: Pick<Clock, 'monotonic'>; readonly speed?: () => number },
): TokenBucket {
  const { clock, speed = () => 1 } = deps
  let tokens = burst
  let countedAt = clock.monotonic()

  function refill(): void {
    const now = clock.monotonic()
    if (now <= countedAt) return
    tokens = Math.min(burst, tokens + ((now - countedAt) / 1000) * perSecond * speed())
    countedAt = now
  }

  return {
    wait(needed = 1) {
      refill()
      return tokens >= needed ? 0 : ((needed - tokens) / (perSecond * speed())) * 1000
    },
    take() {
      tokens -= 1
    },
    drain(most, until) {
      tokens = Math.min(tokens, most)
      countedAt = until
    },
  }
}
