import type { Clock } from '../lib/clock.ts'

/** An answer that is kept for a moment, because many pages ask for it and it costs much. */
export function remember<T>(ask: () => Promise<T>, freshMs: number, clock: Pick<Clock, 'monotonic'>) {
  let kept: { readonly at: number; readonly value: Promise<T> } | null = null

  return {
    get(): Promise<T> {
      const now = clock.monotonic()
      if (kept !== null && now - kept.at < freshMs) return kept.value
      const mine = { at: now, value: ask() }
      kept = mine
      mine.value.catch(() => {
        if (kept === mine) kept = null
      })
      return mine.value
    },
    forget(): void {
      kept = null
    },
  }
}
