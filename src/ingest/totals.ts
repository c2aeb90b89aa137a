import type { Window } from '../sources/source.ts'

/** What is known and done about a vendor's totals that do not add up (case 41). */

/** How many rows the vendor counts and does not list, as polls found it. In memory: after a restart one more reading finds it again. */
export interface Totals {
  /** How many rows a window may count without listing them. */
  allowed(window: Window): number
  /** A window was read whole; its total was too large by `missing`. True: that is more than was known. */
  note(window: Window, missing: number): boolean
  /**
   * Whether a page of so many rows is the last one: the vendor has shown larger pages, or nothing came behind it when the window looked the
   * same. A page smaller than asked for proves nothing, because vendors may give fewer rows. `answer`: how the window looks up to this page.
   */
  isLast(rows: number, answer: () => string): boolean
  /** The vendor has shown a page of so many rows. */
  notePage(rows: number): void
  /** A window was read to its end and looked like this. */
  noteEnd(answer: string): void
}

/** When the rows are believed although their total says otherwise. */
export interface Trust {
  readonly totals: Totals
  /** After so many readings in a row with the same answer the rows are believed. */
  readonly readings: number
  /** Called when the rows of a window are believed for the first time. */
  readonly believed: (window: Window, missing: number) => void
}

/** How often the end of a window that looks the same is not looked at again. A new row may hide behind an unchanged total. */
const TRUSTED_POLLS = 10

export function createTotals(): Totals {
  let known: { readonly window: Window; readonly missing: number }[] = []
  let largest = 0
  let end = { answer: '', uses: 0 }
  const touches = (a: Window, b: Window) => a.from <= b.to && b.from <= a.to
  // Not the sum: two windows may have counted the same rows. If they did not, one more reading of both finds the sum.
  const allowed = (window: Window) =>
    known.reduce((most, one) => (touches(one.window, window) ? Math.max(most, one.missing) : most), 0)
  return {
    allowed,
    note(window, missing) {
      const isNew = missing > allowed(window)
      known = known.filter(one => !touches(one.window, window))
      if (missing > 0) known.push({ window, missing })
      return isNew
    },
    isLast(rows, answer) {
      if (rows === 0 || rows < largest) return true
      return end.answer === answer() && end.uses++ < TRUSTED_POLLS
    },
    notePage(rows) {
      largest = Math.max(largest, rows)
    },
    noteEnd(answer) {
      end = { answer, uses: 0 }
    },
  }
}

/** For a window that is read once: nothing is known of it, and nothing is kept. */
export const NO_TOTALS: Totals = {
  allowed: () => 0,
  note: (_, missing) => missing > 0,
  isLast: () => false,
  notePage: () => {},
  noteEnd: () => {},
}

export const PLAIN: Trust = { totals: NO_TOTALS, readings: 2, believed: () => {} }
