import type { Window } from '../sources/source.ts'

/** Spans of the vendor's update time: which to read now, which later. Pure. */

interface Plan {
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

/** One window of a poll, with the part that is older than the overlap. */
export interface Front extends Plan {
  readonly window: Window
  /** Some of what is older than the overlap has never been read. */
  readonly looksBack: boolean
}

/**
 * The windows of one poll. The `Date` of the vendor's answers need not be the clock of its orders: new orders may come at the present
 * of either clock. So reading reaches to the later clock, while the cursor stays at the earlier one. Where the clocks differ by more
 * than the overlap, these are two windows: what lies between them was read when the later clock was there.
 */
export function fronts(
  reach: Omit<Reach, 'now'> & { readonly clocks: readonly [number, number]; readonly reached: number | null },
): readonly Front[] {
  const { clocks, reached, cursor } = reach
  const [earlier, later] = [Math.min(...clocks), Math.max(...clocks)]
  const slow = whole({ ...reach, now: earlier })
  const fast = whole({ ...reach, cursor: reached ?? cursor ?? earlier, now: later })
  // A first poll is as one whose cursor stands where the connection was first seen.
  const start = cursor ?? reach.backfillFrom + reach.overlapMs
  const front = (window: Window, now: number, readTo: number): Front => ({
    window,
    ...cutAt(window, now - reach.overlapMs, reach.precisionMs),
    looksBack: readTo < now - reach.overlapMs,
  })
  if (fast.from > slow.to) return [front(slow, earlier, start), front(fast, later, reached ?? start)]
  return [front({ from: Math.min(slow.from, fast.from), to: Math.max(slow.to, fast.to) }, later, start)]
}

/** All that is to be read: from the overlap before the cursor to now, closed at both ends and rounded outwards. */
export function whole({ cursor, overlapMs, backfillFrom, now, precisionMs }: Reach): Window {
  const from = cursor === null ? Math.min(backfillFrom, now - overlapMs) : Math.min(cursor, now) - overlapMs
  return rounded({ from, to: now }, precisionMs)
}

/** What of a window is to be read now, and what lies before `time`. Where all of it does, the last tick is read now. */
export function cutAt({ from, to }: Window, time: number, precisionMs: number): Plan {
  const edge = Math.min(Math.floor(time / precisionMs) * precisionMs, to)
  if (edge <= from) return { live: { from, to }, gap: null }
  return { live: { from: edge, to }, gap: { from, to: edge } }
}

/** Two windows that together cover this one; null: it is one tick of the vendor's clock already. */
export function halve({ from, to }: Window, precisionMs: number): readonly [Window, Window] | null {
  if (to - from <= precisionMs) return null
  const middle = from + Math.ceil((to - from) / 2 / precisionMs) * precisionMs
  return [
    { from, to: middle },
    { from: middle, to },
  ]
}

/**
 * What is left of a window without some spans. A span of one instant is left out with a tick on either side, for windows are closed at
 * both ends. A span of two instants was found where the later one cannot be asked for by itself: there the vendor's windows are open
 * at the end, and what is left may touch it.
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
