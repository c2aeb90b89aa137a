import type { ConnectionRow } from '../store/port/connections.ts'

/** A smaller difference of the clocks is network time and normal drift. */
const WORTH_SAYING_MS = 60_000

/** How far the vendor's clock is ahead of ours; null: too little to report. */
export const noteworthy = (aheadMs: number): number | null =>
  Math.abs(aheadMs) > WORTH_SAYING_MS ? Math.round(aheadMs) : null

/** `the vendor's clock is 3 h 0 min behind ours, …`, for logs, the API and `check`. */
export function clockWords(aheadMs: number): string {
  const minutes = Math.floor(Math.abs(aheadMs) / 60_000)
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60]
  const span = hours > 0 ? `${hours} h ${rest} min` : `${rest} min`
  return `The vendor's clock is ${span} ${aheadMs < 0 ? 'behind' : 'ahead of'} ours, by the Date of its answers. Orders are read up to the later of both clocks. Check the clock of this machine; if it is right, the vendor's is wrong.`
}

/**
 * How far reading is behind, milliseconds. The cursor stays at the earlier of the vendor's clock and ours; reading goes on to the later
 * one, so a difference of the clocks is no lag.
 */
export function lagMs(
  { cursor, reached, lastSuccessAt }: Pick<ConnectionRow, 'cursor' | 'reached' | 'lastSuccessAt'>,
  now: number,
): number | null {
  if (cursor === null) return null
  const readTo = Math.max(cursor, Math.min(reached ?? cursor, lastSuccessAt ?? cursor))
  return Math.max(0, now - readTo)
}
