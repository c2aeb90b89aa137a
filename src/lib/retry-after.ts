import { parseHttpDate } from './http-date.ts'

/** No `Retry-After` is followed for longer, milliseconds. */
export const LONGEST_REST = 3_600_000

/**
 * How long `Retry-After` asks to wait, milliseconds, at most `LONGEST_REST` (case 49): seconds such as `4` or `4.0`, or an HTTP date in one
 * of its three forms. Given twice, the first counts. null: absent or unreadable. A date counts from the `Date` of the same answer, where there
 * is one, else from `now`: the sender's clock may be off.
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
