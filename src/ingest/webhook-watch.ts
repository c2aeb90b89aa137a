import type { ConnectionRow } from '../store/port/connections.ts'

/** Webhooks are missing once polls found so many changed orders since the last webhook, the first of them this long ago. */
const ORDERS = 5
const SINCE_MS = 15 * 60_000

/** Whether a vendor that once sent webhooks has stopped: vendors delete a subscription that failed for long. Polls miss nothing meanwhile. */
export function isSilent(
  { unannounced, unannouncedSince }: Pick<ConnectionRow, 'unannounced' | 'unannouncedSince'>,
  now: number,
): boolean {
  return unannounced >= ORDERS && unannouncedSince !== null && now - unannouncedSince >= SINCE_MS
}
