import type { Clock } from '../lib/clock.ts'

/** An answer that took longer than this is shown while it is asked for anew: a page does not wait for it. */
const SLOW_MS = 50
/** And is not shown when it is older than this. */
const STALE_MS = 30_000

/** An answer is good for so many times as long as it took, up to 10 s: asking again and again must not keep the process busy. */
const [TIMES_ITS_COST, LONGEST_FRESH_MS] = [150, 10_000]

interface Kept<T> {
  readonly at: number
  readonly value: Promise<T>
  /** null: it is still being asked for. */
  tookMs: number | null
}

/** An answer that is kept for a moment, because many pages ask for it and it costs much. */
export function remember<T>(ask: () => Promise<T>, freshMs: number, clock: Pick<Clock, 'monotonic'>) {
  let kept: Kept<T> | null = null
  let next: Kept<T> | null = null

  function begin(): Kept<T> {
    const mine: Kept<T> = { at: clock.monotonic(), value: ask(), tookMs: null }
    mine.value.then(
      () => {
        mine.tookMs = clock.monotonic() - mine.at
        if (next === mine) kept = mine
      },
      () => {
        if (kept === mine) kept = null
        if (next === mine) next = null
      },
    )
    next = mine
    return mine
  }

  const freshFor = ({ tookMs }: Kept<T>): number =>
    Math.min(Math.max(LONGEST_FRESH_MS, freshMs), Math.max(freshMs, TIMES_ITS_COST * (tookMs ?? 0)))

  return {
    get(): Promise<T> {
      const now = clock.monotonic()
      if (kept !== null && now - kept.at < freshFor(kept)) return kept.value
      const isAsked = next !== null && next !== kept && now - next.at < STALE_MS
      const coming = isAsked && next !== null ? next : begin()
      const isSlow = kept !== null && kept.tookMs !== null && kept.tookMs > SLOW_MS && now - kept.at < STALE_MS
      return isSlow && kept !== null ? kept.value : coming.value
    },
    forget(): void {
      kept = null
      next = null
    },
  }
}
