import { LONGEST_REST } from '../store/port/endpoints.ts'

/** What `Retry-After` asks for, milliseconds: whole seconds, or an HTTP date. null: absent or unreadable. */
export function retryAfterMs(value: string | undefined, now: number): number | null {
  const text = value?.trim()
  if (!text) return null
  // Given twice, the first counts.
  const [seconds] = /^\d+(?=\s*(?:,|$))/.exec(text) ?? []
  if (seconds !== undefined) return Math.min(Number(seconds) * 1000, LONGEST_REST)
  // Date.parse takes much that is no date; an HTTP date begins with a day's name.
  const at = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? null : Math.min(Math.max(0, at - now), LONGEST_REST)
}
