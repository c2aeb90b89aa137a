import type { Window } from '../sources/source.ts'

/** What is known and done about a vendor's totals that do not add up (case 41). */

/** How many rows the vendor counts and does not list, as polls found it. In memory: after a restart one more reading finds it again. */
export interface Totals {
  /** How many rows a window may count without listing them. */
  allowed(window: Window): number
  /** A window was read whole; its total was too large by `missing`. True: that is more than was known. */
  note(window: Window, missing: number): boolean
}

/** When the rows are believed although their total says otherwise. */
export interface Trust {
  readonly totals: Totals
  /** After so many readings in a row with the same answer the rows are believed. */
  readonly readings: number
  /** Called when the rows of a window are believed for the first time. */
  readonly believed: (window: Window, missing: number) => void
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

export const PLAIN: Trust = { totals: NO_TOTALS, readings: 2, believed: () => {} }
