import { type Selectable, sql } from 'kysely'
import type { Backfill, BackfillStore, Progress, Reconciliation, ReconciliationStore } from '../port/passes.ts'
import { holdLease } from './leases.ts'
import { type Sql, storable } from './sql.ts'
import type { Schema } from './tables.ts'

export function reconciliationStore({ db, dialect, transaction }: Sql): ReconciliationStore {
  return {
    get: async connection => {
      const row = await db
        .selectFrom('reconciliations')
        .selectAll()
        .where('connection', '=', connection)
        .executeTakeFirst()
      return row ? reconciliationOf(row) : null
    },

    list: async () => (await db.selectFrom('reconciliations').selectAll().execute()).map(reconciliationOf),

    put: (lease, { connection, origin, nextAt, running, last, error }) =>
      transaction(async trx => {
        await holdLease(trx, dialect, lease)
        const values = {
          origin,
          next_at: nextAt,
          running: running && JSON.stringify(running),
          last_at: last?.at ?? null,
          last_orders: last?.orders ?? null,
          last_events: last?.events ?? null,
          error: error === null ? null : storable(error),
        }
        await trx
          .insertInto('reconciliations')
          .values({ connection, ...values })
          .onConflict(conflict => conflict.column('connection').doUpdateSet(values))
          .execute()
      }),
  }
}

export function backfillStore({ db, dialect, transaction }: Sql): BackfillStore {
  return {
    add: ({ id, connection, since, until, askedAt }, forgetBefore) =>
      transaction(async trx => {
        await trx.deleteFrom('backfills').where('ended_at', '<', forgetBefore).execute()
        await trx
          .insertInto('backfills')
          .values({ id, connection, since, until, asked_at: askedAt, progress: null, ended_at: null, error: null })
          .execute()
      }),

    get: async id => {
      const row = await db.selectFrom('backfills').selectAll().where('id', '=', id).executeTakeFirst()
      return row ? backfillOf(row) : null
    },

    list: async (connection, limit) => {
      const rows = await db
        .selectFrom('backfills')
        .selectAll()
        .where('connection', '=', connection)
        .orderBy('asked_at', 'desc')
        .orderBy('id')
        .limit(limit)
        .execute()
      return rows.map(backfillOf)
    },

    next: async connection => {
      const row = await db
        .selectFrom('backfills')
        .selectAll()
        .where('connection', '=', connection)
        .where('ended_at', 'is', null)
        .orderBy('asked_at')
        .orderBy('id')
        .limit(1)
        .executeTakeFirst()
      return row ? backfillOf(row) : null
    },

    waiting: async connections => {
      if (connections.length === 0) return []
      const { rows } = await sql<{ connection: string }>`
        select distinct connection from backfills
        where ended_at is null and ${dialect.among(sql`connection`, connections)}`.execute(db)
      return rows.map(({ connection }) => connection)
    },

    save: (lease, { id, progress, endedAt, error }) =>
      transaction(async trx => {
        await holdLease(trx, dialect, lease)
        await trx
          .updateTable('backfills')
          .set({
            progress: progress && JSON.stringify(progress),
            ended_at: endedAt,
            error: error === null ? null : storable(error),
          })
          .where('id', '=', id)
          .execute()
      }),
  }
}

const reconciliationOf = (row: Selectable<Schema['reconciliations']>): Reconciliation => ({
  connection: row.connection,
  origin: row.origin,
  nextAt: row.next_at,
  running: row.running === null ? null : (JSON.parse(row.running) as Progress),
  last: row.last_at === null ? null : { at: row.last_at, orders: row.last_orders ?? 0, events: row.last_events ?? 0 },
  error: row.error,
})

const backfillOf = (row: Selectable<Schema['backfills']>): Backfill => ({
  id: row.id,
  connection: row.connection,
  since: row.since,
  until: row.until,
  askedAt: row.asked_at,
  progress: row.progress === null ? null : (JSON.parse(row.progress) as Progress),
  endedAt: row.ended_at,
  error: row.error,
})
