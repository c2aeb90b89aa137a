import type { KnownRow, KnownRows, RowBytes } from '../sources/source.ts'
import type { Lease } from '../store/port/leases.ts'

/**
 * The rows of one connection that show what the store holds already, by their bytes, so that the next poll need not parse them. A row is
 * known only if:
 * - its order was found unchanged in the store, and no write was under way while the store was asked
 * - nothing was written for that order since, by whatever reading
 * - the same lease is held since: another process may have written otherwise
 * - the last poll or this one listed it
 */
export interface RowMemory {
  /** For a poll under this lease. Forgets the rows that the last poll did not list. */
  begin(lease: Lease): KnownRows
  /** Call it before the store is asked which orders are unchanged. */
  moment(): Moment
  /** The rows of these unchanged orders are known from here on, unless something was written since `moment`. `bytes`: by order id. */
  remember(moment: Moment, unchanged: readonly Unchanged[], bytes: () => ReadonlyMap<string, RowBytes>): void
  /** Whether a row is still known. */
  has(row: KnownRow): boolean
  /** A page listed these known rows one behind the other. */
  listed(rows: readonly KnownRow[]): void
  /** Call it before these orders are written, and what it returns afterwards, whether or not the write succeeded. */
  writing(orderIds: readonly string[]): () => void
  clear(): void
}

interface Moment {
  readonly writes: number
}

type Unchanged = Pick<KnownRow, 'orderId' | 'updatedAt'>

interface Entry extends KnownRow {
  poll: number
  next: string | null
}

export function createRowMemory(limit: number): RowMemory {
  const rows = new Map<string, Entry>()
  const byOrder = new Map<string, string>()
  let holder: Lease | null = null
  let poll = 0
  /** Odd while a write is under way. */
  let writes = 0

  function forget(orderId: string): void {
    const mark = byOrder.get(orderId)
    if (mark === undefined) return
    byOrder.delete(orderId)
    rows.delete(mark)
  }

  function listed(seen: readonly KnownRow[]): void {
    let before: Entry | undefined
    for (const { mark } of seen) {
      const entry = rows.get(mark)
      if (!entry) continue
      entry.poll = poll
      if (before) before.next = mark
      before = entry
    }
  }

  function clear(): void {
    rows.clear()
    byOrder.clear()
  }

  const known: KnownRows = {
    get size() {
      return rows.size
    },
    find: mark => rows.get(mark),
    behind: ({ mark }) => rows.get(rows.get(mark)?.next ?? ''),
  }

  return {
    begin(lease) {
      if (holder === null || holder.owner !== lease.owner || holder.epoch !== lease.epoch) clear()
      holder = lease
      for (const { orderId, poll: last } of rows.values()) if (last < poll) forget(orderId)
      poll++
      return known
    },
    moment: () => ({ writes }),
    remember(moment, unchanged, bytesOf) {
      if (unchanged.length === 0 || rows.size >= limit || moment.writes !== writes || writes % 2 === 1) return
      const bytes = bytesOf()
      const remembered: Entry[] = []
      for (const { orderId, updatedAt } of unchanged) {
        const row = bytes.get(orderId)
        if (!row) continue
        forget(orderId)
        if (rows.size >= limit) break
        const entry = { ...row, orderId, updatedAt, poll, next: null }
        rows.set(entry.mark, entry)
        byOrder.set(orderId, entry.mark)
        remembered.push(entry)
      }
      listed(remembered)
    },
    has: row => rows.get(row.mark) === row,
    listed,
    writing(orderIds) {
      writes++
      for (const orderId of orderIds) forget(orderId)
      return () => void writes++
    },
    clear,
  }
}
