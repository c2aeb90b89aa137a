import { type Selectable, sql } from 'kysely'
import type { OrderRead, OrderReadStore } from '../port/order-reads.ts'
import { holdLease } from './leases.ts'
import type { Sql } from './sql.ts'
import type { Schema } from './tables.ts'

export function orderReadStore({ db, dialect, transaction, relaxed }: Sql): OrderReadStore {
  return {
    ask: ({ connection, orderId, userId, announced, askedAt, seen }) =>
      // Relaxed: a flood of webhooks must not wait for the disk. Reconciliation makes up for what a power failure undoes.
      relaxed(async trx => {
        await sql`
          insert into order_reads (connection, order_id, user_id, announced, asked_at, next_at, seen)
          values (${connection}, ${orderId}, ${userId}, ${announced ? 1 : 0}, ${askedAt}, ${askedAt}, ${seen})
          on conflict (connection, order_id) do update set
            user_id = coalesce(excluded.user_id, order_reads.user_id),
            announced = case when excluded.announced = 1 then 1 else order_reads.announced end,
            asked_at = excluded.asked_at, next_at = excluded.next_at, seen = excluded.seen`.execute(trx)
      }),

    upcoming: async (connection, limit) => {
      const rows = await db
        .selectFrom('order_reads')
        .selectAll()
        .where('connection', '=', connection)
        .orderBy('next_at')
        .limit(limit)
        .execute()
      return rows.map(readOf)
    },

    due: async (connections, now) => {
      if (connections.length === 0) return []
      const { rows } = await sql<{ connection: string }>`
        select distinct connection from order_reads
        where ${dialect.among(sql`connection`, connections)} and next_at <= ${now}`.execute(db)
      return rows.map(({ connection }) => connection)
    },

    settle: (lease, reads) =>
      transaction(async trx => {
        await holdLease(trx, dialect, lease)
        for (const { connection, orderId, askedAt, nextAt, next } of reads) {
          const same = sql`connection = ${connection} and order_id = ${orderId} and asked_at = ${askedAt} and next_at = ${nextAt}`
          if (next === null) await sql`delete from order_reads where ${same}`.execute(trx)
          else await sql`update order_reads set next_at = ${next} where ${same}`.execute(trx)
        }
      }),
  }
}

const readOf = (row: Selectable<Schema['order_reads']>): OrderRead => ({
  connection: row.connection,
  orderId: row.order_id,
  userId: row.user_id,
  announced: row.announced === 1,
  askedAt: row.asked_at,
  nextAt: row.next_at,
  seen: row.seen,
})
