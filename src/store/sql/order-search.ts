import { type Kysely, type RawBuilder, type Selectable, sql } from 'kysely'
import { AppError } from '../../lib/errors.ts'
import type { OrderRow, OrderSearch } from '../port/orders.ts'
import { orderOf } from './order-row.ts'
import type { Schema } from './tables.ts'

/** Where a page ended: in which walk, at which number (that of the walk by number), connection and id. */
type Place = readonly [walk: 'number' | 'id', number: string, connection: string, orderId: string]

/** Two walks, each along its own index: by number, then by id without the orders that the first walk has found. */
export async function findOrders(
  db: Kysely<Schema>,
  { text = '', connection }: OrderSearch,
  paging: { limit: number; after?: string },
): Promise<{ data: readonly OrderRow[]; next: string | null }> {
  const after = paging.after === undefined ? null : readPlace(paging.after)
  const most = paging.limit + 1
  const found: { row: Selectable<Schema['orders']>; walk: Place[0] }[] = []

  async function walk(name: Place[0], conditions: readonly RawBuilder<unknown>[], order: RawBuilder<unknown>) {
    const all = connection === undefined ? conditions : [...conditions, sql`connection = ${connection}`]
    const { rows } = await sql<Selectable<Schema['orders']>>`
      select * from orders where ${sql.join(all, sql` and `)} order by ${order} limit ${most - found.length}`.execute(
      db,
    )
    for (const row of rows) found.push({ row, walk: name })
  }

  if (text !== '' && after?.[0] !== 'id') {
    const behind = after ? [sql`(order_number, connection, order_id) > (${after[1]}, ${after[2]}, ${after[3]})`] : []
    await walk('number', [beginsWith('order_number', text), ...behind], sql`order_number, connection, order_id`)
  }
  if (found.length < most) {
    const behind = after?.[0] === 'id' ? [sql`(order_id, connection) > (${after[3]}, ${after[2]})`] : []
    const seen = text === '' ? [] : [sql`(order_number is null or not (${beginsWith('order_number', text)}))`]
    await walk('id', [beginsWith('order_id', text), ...behind, ...seen], sql`order_id, connection`)
  }

  const page = found.slice(0, paging.limit)
  const last = page.at(-1)
  const place: Place | null = last
    ? [last.walk, last.row.order_number ?? '', last.row.connection, last.row.order_id]
    : null
  return {
    data: page.map(({ row }) => orderOf(row)),
    next: found.length > paging.limit && place ? Buffer.from(JSON.stringify(place)).toString('base64url') : null,
  }
}

/** As a range, which an index finds; no text sorts behind the last code point. */
const beginsWith = (column: 'order_number' | 'order_id', text: string): RawBuilder<unknown> =>
  sql`${sql.ref(column)} >= ${text} and ${sql.ref(column)} < ${`${text}\u{10ffff}`}`

function readPlace(cursor: string): Place {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(value) && value.length === 4 && value.every(part => typeof part === 'string')) {
      const [walk, number, connection, orderId] = value as [string, string, string, string]
      if (walk === 'number' || walk === 'id') return [walk, number, connection, orderId]
    }
  } catch {
    // said below
  }
  throw new AppError('The cursor is not one of this listing; pass the "next" of the page before, or none to begin.', {
    code: 'store.bad_cursor',
    intent: 'fix',
  })
}
