import { type Kysely, type Selectable, sql } from 'kysely'
import { AppError } from '../../lib/errors.ts'
import { snapshotText } from '../../order/snapshot-text.ts'
import type { OrderRow, OrderStore } from '../port/orders.ts'
import { insertEvents } from './events.ts'
import { forgetUnknown } from './forget-unknown.ts'
import { holdLease } from './leases.ts'
import { orderOf } from './order-row.ts'
import { findOrders } from './order-search.ts'
import { replaceEntries } from './quarantine.ts'
import { type Sql, type SqlDialect, storable } from './sql.ts'
import type { Schema } from './tables.ts'

export function orderStore({ db, dialect, transaction }: Sql): OrderStore {
  return {
    load: async (connection, orderIds) => {
      if (orderIds.length === 0) return new Map()
      const { rows } = await sql<Selectable<Schema['orders']>>`
        select * from orders where connection = ${connection} and ${dialect.among(sql`order_id`, orderIds)}`.execute(db)
      return new Map(rows.map(row => [row.order_id, orderOf(row)]))
    },

    digests: async (connection, orderIds) => {
      if (orderIds.length === 0) return new Map()
      const { rows } = await sql<{ order_id: string; digest: string; recheck_at: number | null }>`
        select order_id, digest, recheck_at from orders
        where connection = ${connection} and ${dialect.among(sql`order_id`, orderIds)}`.execute(db)
      return new Map(rows.map(row => [row.order_id, { digest: row.digest, recheckAt: row.recheck_at }]))
    },

    get: async (connection, orderId) => {
      const row = await db
        .selectFrom('orders')
        .selectAll()
        .where('connection', '=', connection)
        .where('order_id', '=', orderId)
        .executeTakeFirst()
      return row ? orderOf(row) : null
    },

    find: (search, paging) => findOrders(db, search, paging),

    idsOfNumber: async (number, connection) => {
      const inConnection = connection === undefined ? sql`` : sql`and connection = ${connection}`
      const { rows } = await sql<{ connection: string; order_id: string }>`
        select connection, order_id from orders where order_number = ${number} ${inConnection}
        order by connection, order_id limit ${MOST_OF_ONE_NUMBER}`.execute(db)
      return rows.map(row => ({ connection: row.connection, orderId: row.order_id }))
    },

    due: async (connection, now, limit) => {
      const { rows } = await sql<{ order_id: string; user_id: string | null; recheck_at: number }>`
        select order_id, user_id, recheck_at from orders
        where connection = ${connection} and recheck_at is not null and recheck_at <= ${now}
        order by recheck_at limit ${limit}`.execute(db)
      return rows.map(row => ({ orderId: row.order_id, userId: row.user_id, recheckAt: row.recheck_at }))
    },

    postpone: (lease, connection, orders) =>
      transaction(async trx => {
        await holdLease(trx, dialect, lease)
        if (orders.length === 0) return
        const source = dialect.rows(
          'moved',
          { order_id: 'text', was: 'int', becomes: 'int' },
          orders.map(({ orderId, recheckAt, next }) => [orderId, recheckAt, next]),
        )
        await sql`
          update orders set recheck_at = moved.becomes from ${source}
          where orders.connection = ${connection} and orders.order_id = moved.order_id and orders.recheck_at = moved.was`.execute(
          trx,
        )
      }),

    commit: async (lease, page) => {
      const write = (before: (trx: Kysely<Schema>) => Promise<void>) =>
        transaction(async trx => {
          await holdLease(trx, dialect, lease)
          await before(trx)
          await upsertOrders(trx, dialect, page.orders)
          await replaceEntries(trx, dialect, page.connection, page.quarantine)
          // Last, because from here until the transaction ends no other can add events.
          await insertEvents(trx, dialect, page.events, { published: page.published })
        })
      try {
        await write(async () => {})
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'store.conflict' || page.events.length === 0) throw error
        await write(async trx => {
          await dialect.lockHistory(trx)
          const orderIds = new Set(page.events.map(({ orderId }) => orderId))
          await forgetUnknown({ trx, dialect }, page.connection, [...orderIds])
        })
      }
    },
  }
}

async function upsertOrders(trx: Kysely<Schema>, dialect: SqlDialect, orders: readonly OrderRow[]): Promise<void> {
  if (orders.length === 0) return
  // One row per order: a statement cannot update the same row twice.
  const latest = [...new Map(orders.map(order => [`${order.connection}/${order.orderId}`, order])).values()]
  await dialect.insert(
    trx,
    UPSERT,
    latest.map(order => [
      order.connection,
      order.orderId,
      order.digest,
      order.recheckAt,
      order.userId,
      order.snapshot.orderNumber === null ? null : storable(order.snapshot.orderNumber),
      order.observedAt,
      JSON.stringify(order.state),
      snapshotText(order.snapshot),
    ]),
  )
}

const UPSERT = {
  table: 'orders',
  columns: {
    connection: 'text',
    order_id: 'text',
    digest: 'text',
    recheck_at: 'int',
    user_id: 'text',
    order_number: 'text',
    observed_at: 'int',
    state: 'text',
    snapshot: 'text',
  },
  conflict: `on conflict (connection, order_id) do update set
    digest = excluded.digest, recheck_at = excluded.recheck_at, user_id = excluded.user_id, order_number = excluded.order_number,
    observed_at = excluded.observed_at, state = excluded.state, snapshot = excluded.snapshot`,
} as const

/** More orders of one number are not looked at. */
const MOST_OF_ONE_NUMBER = 20
