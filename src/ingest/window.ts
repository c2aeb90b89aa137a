import type { Window } from '../sources/source.ts'

/** Windows of the vendor's update time: which to read in this poll, which later. Pure. */

interface Plan {
  /** Read in this poll. */
  readonly live: Window
  /** The part older than the overlap, read beside the polls at a lower priority. */
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

/** One window of a poll, split at the overlap. */
export interface Front extends Plan {
  readonly window: Window
  /** A part older than the overlap has never been read. */
  readonly looksBack: boolean
}

/**
 * The windows of one poll. The `Date` header need not be the clock of the vendor's orders: new orders may come at the present of either
 * clock, the vendor's or ours. So reading reaches to the later clock, and the cursor stays at the earlier one. Clocks that differ by more
 * than the overlap give two windows; the span between them was read when the later clock was there.
 */
export function fronts(
  reach: Omit<Reach, 'now'> & { readonly clocks: readonly [number, number]; readonly reached: number | null },
): readonly Front[] {
  const { clocks, reached, cursor } = reach
  const [earlier, later] = [Math.min(...clocks), Math.max(...clocks)]
  const slow = whole({ ...reach, now: earlier })
  const fast = whole({ ...reach, cursor: reached ?? cursor ?? earlier, now: later })
  // A first poll works as if the cursor stood where the connection was first seen.
  const start = cursor ?? reach.backfillFrom + reach.overlapMs
  const front = (window: Window, now: number, readTo: number): Front => ({
    window,
    ...cutAt(window, now - reach.overlapMs, reach.precisionMs),
    looksBack: readTo < now - reach.overlapMs,
  })
  if (fast.from > slow.to) return [front(slow, earlier, start), front(fast, later, reached ?? start)]
  return [front({ from: Math.min(slow.from, fast.from), to: Math.max(slow.to, fast.to) }, later, start)]
}

/** The whole window: from the overlap before the cursor to now, closed at both ends and rounded outwards. */
export function whole({ cursor, overlapMs, backfillFrom, now, precisionMs }: Reach): Window {
  const from = cursor === null ? Math.min(backfillFrom, now - overlapMs) : Math.min(cursor, now) - overlapMs
  return rounded({ from, to: now }, precisionMs)
}

/** Splits a window at `time`: the part before it is the gap. If that is all of it, the last tick is still read now. */
export function cutAt({ from, to }: Window, time: number, precisionMs: number): Plan {
  const edge = Math.min(Math.floor(time / precisionMs) * precisionMs, to)
  if (edge <= from) return { live: { from, to }, gap: null }
  return { live: { from: edge, to }, gap: { from, to: edge } }
}

/** Two windows that cover this one. null: it is one tick of the vendor's clock already. */
export function halve({ from, to }: Window, precisionMs: number): readonly [Window, Window] | null {
  if (to - from <= precisionMs) return null
  const middle = from + Math.ceil((to - from) / 2 / precisionMs) * precisionMs
  return [
    { from, to: middle },
    { from: middle, to },
  ]
}

/**
 * The parts of a window outside some spans. Windows are closed at both ends, so a part ends a tick before a span of one instant. A span
 * of two instants is from a vendor whose windows are open at the end; there a part may touch the span.
 */
export function without(window: Window, spans: readonly Window[], precisionMs: number): readonly Window[] {
  const rest: Window[] = []
  let { from } = window
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    if (span.to < from || span.from > window.to) continue
    const margin = span.from === span.to ? precisionMs : 0
    if (span.from - margin >= from) rest.push({ from, to: span.from - margin })
    from = Math.max(from, span.to + margin)
  }
  if (from <= window.to) rest.push({ from, to: window.to })
  return rest
}

function rounded({ from, to }: Window, precisionMs: number): Window {
  return { from: Math.floor(from / precisionMs) * precisionMs, to: Math.ceil(to / precisionMs) * precisionMs }
}
