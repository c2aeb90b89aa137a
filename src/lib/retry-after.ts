import { parseHttpDate } from './http-date.ts'

/** The longest `Retry-After` that is obeyed, milliseconds. */
export const LONGEST_REST = 3_600_000

/**
 * How long `Retry-After` asks to wait, milliseconds, at most `LONGEST_REST` (case 49): seconds such as `4` or `4.0`, or an HTTP date in one
 * of its three forms. If the header is repeated, the first value counts. null: absent or unreadable. A date is compared with the `Date` of the
 * same answer, else with `now`, because the sender's clock may be wrong.
 */
export function retryAfterMs(
  { 'retry-after': value, date }: { readonly 'retry-after'?: string | undefined; readonly date?: string | undefined },
  now: number,
): number | null {
  const text = value?.trim() ?? ''
  const [seconds] = /^\d+(?:\.\d*)?(?=\s*(?:,|$))/.exec(text) ?? []
  if (seconds !== undefined) return Math.min(Math.round(Number(seconds) * 1000), LONGEST_REST)
  const until = parseHttpDate(text, now)
  if (until === null) return null
  const answeredAt = (date === undefined ? null : parseHttpDate(date, now)) ?? now
  return Math.min(Math.max(0, until - answeredAt), LONGEST_REST)
}
