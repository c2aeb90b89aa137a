import { type Kysely, sql } from 'kysely'
import type { Window } from '../../sources/source.ts'
import type { UnnamedWindowStore } from '../port/unnamed-windows.ts'
import { holdLease } from './leases.ts'
import type { Sql } from './sql.ts'
import type { Schema } from './tables.ts'

export function unnamedWindowStore({ db, dialect, transaction }: Sql): UnnamedWindowStore {
  const remove = (trx: Kysely<Schema>, connection: string, { from, to }: Window) =>
    trx
      .deleteFrom('unnamed_windows')
      .where('connection', '=', connection)
      .where('from_at', '=', from)
      .where('to_at', '=', to)
      .execute()

  return {
    list: async connection => {
      const rows = await db
        .selectFrom('unnamed_windows')
        .selectAll()
        .where('connection', '=', connection)
        .orderBy('next_at')
        .execute()
      return rows.map(({ from_at, to_at, tries, next_at }) => ({
        connection,
        from: from_at,
        to: to_at,
        tries,
        nextAt: next_at,
      }))
    },

    put: (lease, { connection, from, to, tries, nextAt }, instead) =>
      transaction(async trx => {
        await holdLease(trx, dialect, lease)
        if (instead) await remove(trx, connection, instead)
        await sql`
          insert into unnamed_windows (connection, from_at, to_at, tries, next_at)
          values (${connection}, ${from}, ${to}, ${tries}, ${nextAt})
          on conflict (connection, from_at, to_at) do update set
            tries = excluded.tries, next_at = excluded.next_at`.execute(trx)
      }),

    remove: (lease, window) =>
      transaction(async trx => {
        await holdLease(trx, dialect, lease)
        await remove(trx, window.connection, window)
      }),

    makeDue: async (connection, now) => {
      const { numAffectedRows = 0n } = await sql`
        update unnamed_windows set next_at = ${now} where connection = ${connection}`.execute(db)
      return Number(numAffectedRows)
    },
  }
}
