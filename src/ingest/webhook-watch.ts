import type { ConnectionRow } from '../store/port/connections.ts'

/** So many changed orders, found by polls alone since the last webhook, the first of them so long ago: then no webhooks come. */
const ORDERS = 5
const SINCE_MS = 15 * 60_000

/** Whether a vendor that once sent webhooks has stopped (it deletes a subscription whose webhooks failed for long). Polls miss nothing meanwhile. */
export function isSilent(
  { unannounced, unannouncedSince }: Pick<ConnectionRow, 'unannounced' | 'unannouncedSince'>,
  now: number,
): boolean {
  return unannounced >= ORDERS && unannouncedSince !== null && now - unannouncedSince >= SINCE_MS
}
