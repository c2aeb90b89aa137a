import type { OrderSnapshot } from '../../../schemas/order.ts'
import { AppError } from '../../lib/errors.ts'
import { snapshotText } from '../../order/snapshot-text.ts'
import type { Page, Reject } from '../source.ts'
import { doubt, reject } from './row-reader.ts'

/** Forty times what is asked for at most. */
const MOST_ROWS = 10_000

/** Rows of which each would cost more memory than it has bytes: so many are no page. Throws `narrow`. */
export function assertPageful(rows: readonly unknown[]): void {
  if (rows.length <= MOST_ROWS) return
  throw new AppError(`The vendor answered ${rows.length} rows at once, which are too many for one page.`, {
    code: 'vendor.too_large',
    intent: 'narrow',
  })
}

export type ReadRow = (row: unknown) => OrderSnapshot | Reject

/** Reads every row by itself: one that cannot be read is set aside and costs no other. `places`: gets the place of each order in `rows`. */
export function readRows(rows: readonly unknown[], readRow: ReadRow, places?: number[]): Page {
  assertPageful(rows)
  const orders: OrderSnapshot[] = []
  const rejects: Reject[] = []
  for (const [place, row] of rows.entries()) {
    const read = attempt(row, readRow)
    if ('reason' in read) rejects.push(read)
    else {
      orders.push(read)
      places?.push(place)
    }
  }
  return { orders, rejects }
}

/** Reads one row; a defect of ours sets it aside. */
export const readRowAlone = attempt

/** A topic takes about 1 MB for an event, which holds less than its snapshot. */
const LARGEST_SNAPSHOT = 900_000
const isHandy = (snapshot: OrderSnapshot) => {
  const text = snapshotText(snapshot)
  // A character has three bytes at most.
  return 3 * text.length <= LARGEST_SNAPSHOT || Buffer.byteLength(text) <= LARGEST_SNAPSHOT
}

function attempt(row: unknown, readRow: ReadRow): OrderSnapshot | Reject {
  try {
    const read = readRow(row)
    if ('reason' in read || isHandy(read)) return read
    const reason = `expected an order of at most ${LARGEST_SNAPSHOT} bytes`
    const slim: OrderSnapshot = {
      ...read,
      lines: [],
      packages: read.packages.map(parcel => ({ ...parcel, lines: [] })),
      doubts: [...read.doubts, doubt('', row, `${reason}; its lines are missing`)],
    }
    return isHandy(slim) ? slim : reject(read.orderId, '', row, reason)
  } catch (error) {
    // A row that breaks the reader is a defect of ours; it must not hold up the page.
    return reject(null, '', row, `the row could not be read (${error instanceof Error ? error.name : 'error'})`)
  }
}
