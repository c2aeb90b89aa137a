import type { Page } from '../source.ts'

/**
 * Pages by number. A token is `number:rows before it`, so that the end is found by counting rows, whatever page size the vendor keeps to.
 */

interface Place {
  readonly number: number
  /** Rows on the pages before it. */
  readonly before: number
}

export function placeOf(token: string | null): Place {
  const [number = 1, before = 0] = (token ?? '1:0').split(':').map(Number)
  return { number, before }
}

/** The token of the page behind this one; null: it is the last. `total` null: the vendor does not count, and a page that is not full is the last. */
export function nextPage(at: Place, read: Page, { total, pageSize }: { total: number | null; pageSize: number }) {
  const rows = countOn(read)
  const seen = at.before + rowsOn(read)
  const isLast = rows === 0 || (total === null ? rows < pageSize : seen >= total)
  return isLast ? null : `${at.number + 1}:${seen}`
}

/**
 * How many rows of the vendor's a page has: an order that it repeats counts once, for its total may not count it twice. Where it does, the end
 * is one empty page later.
 */
export function rowsOn(page: Page): number {
  const { orders, rejects, skipped } = page
  const named = new Set<string>()
  let nameless = 0
  for (const { orderId } of orders) named.add(orderId)
  for (const { orderId } of skipped?.rows ?? []) named.add(orderId)
  for (const { orderId } of rejects)
    if (orderId === null) nameless += 1
    else named.add(orderId)
  return named.size + nameless
}

const countOn = ({ orders, rejects, skipped }: Page): number =>
  orders.length + rejects.length + (skipped?.rows.length ?? 0)
