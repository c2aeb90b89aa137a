import { type Selectable, sql } from 'kysely'
import type { Follow, FollowStore } from '../port/follows.ts'
import { holdLease } from './leases.ts'
import type { Sql } from './sql.ts'
import type { Schema } from './tables.ts'

export function followStore({ db, dialect, transaction }: Sql): FollowStore {
  return {
    put: async (connection, kind, id, userId, now) => {
      // An order that is registered again without its buyer keeps the buyer.
      await sql`
        insert into follows (connection, kind, id, user_id, next_at, every_ms, changed_at)
        values (${connection}, ${kind}, ${id}, ${userId}, ${now}, 0, ${now})
        on conflict (connection, kind, id) do update set
          user_id = coalesce(excluded.user_id, follows.user_id), next_at = excluded.next_at`.execute(db)
    },

    due: async (connection, now, limit) => {
      const rows = await db
        .selectFrom('follows')
        .selectAll()
        .where('connection', '=', connection)
        .where('next_at', '<=', now)
        .orderBy('next_at')
        .limit(limit)
        .execute()
      return rows.map(followOf)
    },

    wake: (connection, now) =>
      transaction(async trx => {
        await sql`update follows set next_at = ${now} where connection = ${connection} and next_at > ${now}`.execute(
          trx,
        )
        return countOf(trx, connection)
      }),

    reschedule: async (lease, follows) => {
      const source = dialect.rows(
        'new',
        {
          connection: 'text',
          kind: 'text',
          id: 'text',
          was: 'int',
          next_at: 'int',
          every_ms: 'int',
          changed_at: 'int',
        },
        follows.map(({ connection, kind, id, nextAt, next, everyMs, changedAt }) => [
          connection,
          kind,
          id,
          nextAt,
          next,
          everyMs,
          changedAt,
        ]),
      )
      await transaction(async trx => {
        await holdLease(trx, dialect, lease)
        if (follows.length === 0) return
        await sql`
          update follows set every_ms = new.every_ms, changed_at = new.changed_at,
            next_at = case when follows.next_at = new.was then new.next_at else follows.next_at end
          from ${source}
          where follows.connection = new.connection and follows.kind = new.kind and follows.id = new.id`.execute(trx)
      })
    },

    count: connection => countOf(db, connection),

    list: async (connection, paging) => {
      let query = db.selectFrom('follows').selectAll().where('connection', '=', connection)
      if (paging.after !== undefined) query = query.where('n', '>', paging.after)
      const rows = await query.orderBy('n').limit(paging.limit).execute()
      return rows.map(row => ({ n: row.n, ...followOf(row) }))
    },
  }
}

async function countOf(db: Sql['db'], connection: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from follows where connection = ${connection}`.execute(db)
  return rows[0]?.count ?? 0
}

const followOf = (row: Selectable<Schema['follows']>): Follow => ({
  connection: row.connection,
  kind: row.kind as Follow['kind'],
  id: row.id,
  userId: row.user_id,
  nextAt: row.next_at,
  everyMs: row.every_ms,
  changedAt: row.changed_at,
})
