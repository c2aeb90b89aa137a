import type { Window } from '../sources/source.ts'

/** Spans of the vendor's update time: which to read now, which later. Pure. */

export interface Plan {
  /** Read in this round. */
  readonly live: Window
  /** What is older than the overlap, for beside the polls, at a lower priority. */
  readonly gap: Window | null
}

export interface Reach {
  /** null: this is the first poll. */
  readonly cursor: number | null
  readonly overlapMs: number
  /** Where the first poll begins. */
  readonly backfillFrom: number
  /** By the vendor's clock. */
  readonly now: number
  readonly precisionMs: number
}

/** All that is to be read: from the overlap before the cursor to now, closed at both ends and rounded outwards. */
export function whole({ cursor, overlapMs, backfillFrom, now, precisionMs }: Reach): Window {
  const from = cursor === null ? Math.min(backfillFrom, now - overlapMs) : Math.min(cursor, now) - overlapMs
  return rounded({ from, to: now }, precisionMs)
}

/** `whole` in two: the overlap, and what is before it. */
export function split(reach: Reach): Plan {
  const { from, to } = whole(reach)
  const edge = Math.floor((reach.now - reach.overlapMs) / reach.precisionMs) * reach.precisionMs
  if (edge <= from) return { live: { from, to }, gap: null }
  return { live: { from: edge, to }, gap: { from, to: edge } }
}

/** Some of what is older than the overlap has never been read. */
export const looksBack = ({ cursor, now, overlapMs }: Reach): boolean => cursor === null || cursor < now - overlapMs

/** Two windows that together cover this one; null: it is one tick of the vendor's clock already. */
export function halve({ from, to }: Window, precisionMs: number): readonly [Window, Window] | null {
  if (to - from <= precisionMs) return null
  const middle = from + Math.ceil((to - from) / 2 / precisionMs) * precisionMs
  return [
    { from, to: middle },
    { from: middle, to },
  ]
}

function rounded({ from, to }: Window, precisionMs: number): Window {
  return { from: Math.floor(from / precisionMs) * precisionMs, to: Math.ceil(to / precisionMs) * precisionMs }
}
