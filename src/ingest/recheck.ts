import type { OrderSnapshot } from '../../schemas/order.ts'
import type { OrderRow } from '../store/port/orders.ts'

const FIRST_MS = 60_000
const LAST_MS = 86_400_000

/**
 * When to read an order again that was not understood only where it was read by itself: no page shows a change once that is mended.
 * After a minute, then each time after twice as long; null: every page shows what is not understood, or it has been so for a day and
 * waits for a person. `row`: the order as a page listed it; null: it was read by itself.
 */
export function nextRecheck(options: {
  snapshot: OrderSnapshot
  row: OrderSnapshot | null
  before: OrderRow | undefined
  observedAt: number
}): number | null {
  const { snapshot, row, before, observedAt } = options
  if (snapshot.doubts.length === 0) return null
  const waits = before !== undefined && before.recheckAt !== null && before.snapshot.doubts.length > 0
  const listed = new Set(row?.doubts.map(({ path, value }) => `${path} ${value}`))
  const isHidden = row === null ? waits : snapshot.doubts.some(({ path, value }) => !listed.has(`${path} ${value}`))
  if (!isHidden) return null
  const pause = waits ? Math.max(2 * (observedAt - before.observedAt), FIRST_MS) : FIRST_MS
  return pause > LAST_MS ? null : observedAt + pause
}
