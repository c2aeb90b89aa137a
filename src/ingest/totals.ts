import type { Window } from '../sources/source.ts'

/** Rows that a vendor counts in a window and does not list (case 41), as the polls found them. In memory: it is found out again by one more reading. */
export interface Totals {
  /** How many rows a window may count without listing them. */
  allowed(window: Window): number
  /** A window was read whole and counted so many rows too many. True: more than was known. */
  note(window: Window, missing: number): boolean
}

export function createTotals(): Totals {
  let known: { readonly window: Window; readonly missing: number }[] = []
  const touches = (a: Window, b: Window) => a.from <= b.to && b.from <= a.to
  const allowed = (window: Window) =>
    known.reduce((sum, one) => sum + (touches(one.window, window) ? one.missing : 0), 0)
  return {
    allowed,
    note(window, missing) {
      const isNew = missing > allowed(window)
      known = known.filter(one => !touches(one.window, window))
      if (missing > 0) known.push({ window, missing })
      return isNew
    },
  }
}

/** For a window that is read once: nothing is known of it, and nothing is kept. */
export const NO_TOTALS: Totals = { allowed: () => 0, note: (_, missing) => missing > 0 }
