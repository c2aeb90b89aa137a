/** Pauses that grow with each failure in a row, for whoever tries again. Milliseconds everywhere. */

export interface Pauses {
  readonly firstMs: number
  readonly longestMs: number
}

export interface BackOff {
  /** The pause before the next try: `firstMs` at first, then twice the one before, `longestMs` at most. */
  next(): number
  /** It worked: the next pause is the first again. */
  reset(): void
}

/** For one loop that tries again. */
export function createBackOff({ firstMs, longestMs }: Pauses): BackOff {
  let pauseMs = firstMs
  return {
    next() {
      const current = pauseMs
      pauseMs = doubled(pauseMs, longestMs)
      return current
    },
    reset() {
      pauseMs = firstMs
    },
  }
}

/** The pause that follows this one. */
export const doubled = (pauseMs: number, longestMs: number): number => Math.min(pauseMs * 2, longestMs)

/** The pause after so many failures in a row, from 1. */
export const pauseAfter = (failures: number, { firstMs, longestMs }: Pauses): number =>
  Math.min(firstMs * 2 ** Math.min(failures - 1, 40), longestMs)
