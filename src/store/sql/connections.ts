import { type Kysely, type Selectable, sql } from 'kysely'
import type { Window } from '../../sources/source.ts'
import type { ConnectionPatch, ConnectionRow, ConnectionState, ConnectionStore } from '../port/connections.ts'
import { holdLease } from './leases.ts'
import { type Sql, type SqlDialect, storable } from './sql.ts'
import type { Schema } from './tables.ts'

export function connectionStore({ db, dialect, transaction }: Sql): ConnectionStore {
  return {
    configure: async connections => {
      await transaction(async trx => {
        for (const { id, vendor, fingerprint, seenAt = null } of [...connections].sort((a, b) =>
          a.id < b.id ? -1 : 1,
        ))
          await sql`
            insert into connections (id, vendor, gaps, state, fingerprint, first_seen_at)
            values (${id}, ${vendor}, '[]', 'ok', ${fingerprint}, ${seenAt})
            on conflict (id) do update set
              state = case
                when connections.fingerprint <> excluded.fingerprint and connections.state = 'stopped' then 'ok'
                else connections.state end,
              vendor = excluded.vendor, fingerprint = excluded.fingerprint,
              first_seen_at = coalesce(connections.first_seen_at, excluded.first_seen_at)`.execute(trx)
      })
    },

    get: async id => {
      const row = await db.selectFrom('connections').selectAll().where('id', '=', id).executeTakeFirst()
      return row ? connectionOf(row) : null
    },

    list: async () => (await db.selectFrom('connections').selectAll().orderBy('id').execute()).map(connectionOf),

    counts: async () => {
      const counts = new Map<string, { orders: number; quarantined: number }>()
      for (const [table, field] of [
        ['orders', 'orders'],
        ['quarantine', 'quarantined'],
      ] as const) {
        const rows = await db
          .selectFrom(table)
          .select(eb => ['connection', eb.fn.countAll<number>().as('count')])
          .groupBy('connection')
          .execute()
        for (const { connection, count } of rows)
          counts.set(connection, { ...(counts.get(connection) ?? { orders: 0, quarantined: 0 }), [field]: count })
      }
      return counts
    },

    update: async (lease, id, patch) => {
      const values = columnsOf(patch)
      await transaction(async trx => {
        await holdLease(trx, dialect, lease)
        const gaps = patch.gaps && { gaps: JSON.stringify(await changedGaps(trx, dialect, id, patch.gaps)) }
        if (Object.keys(values).length > 0 || gaps)
          await trx
            .updateTable('connections')
            .set({ ...values, ...gaps })
            .where('id', '=', id)
            .execute()
      })
    },

    heard: async (id, at) => {
      await sql`
        update connections set webhook_at = ${at}, unannounced = 0, unannounced_since = null where id = ${id}`.execute(
        db,
      )
    },

    found: async (lease, id, orders, at) => {
      await transaction(async trx => {
        await holdLease(trx, dialect, lease)
        await sql`
          update connections set unannounced = unannounced + ${orders},
            unannounced_since = coalesce(unannounced_since, ${at})
          where id = ${id} and webhook_at is not null`.execute(trx)
      })
    },
  }
}

async function changedGaps(
  trx: Kysely<Schema>,
  dialect: SqlDialect,
  id: string,
  { closed, opened }: NonNullable<ConnectionPatch['gaps']>,
): Promise<readonly Window[]> {
  const { rows } = await sql<{ gaps: string }>`
    select gaps from connections where id = ${id} ${dialect.forUpdate}`.execute(trx)
  const gaps: Window[] = JSON.parse(rows[0]?.gaps ?? '[]')
  const same = (a: Window, b: Window) => a.from === b.from && a.to === b.to
  const rest = gaps.filter(gap => !(closed && same(gap, closed)))
  return [...rest, ...opened.filter(gap => !rest.some(other => same(gap, other)))]
}

function columnsOf(patch: ConnectionPatch) {
  return {
    ...(patch.cursor !== undefined && { cursor: patch.cursor }),
    ...(patch.firstSeenAt !== undefined && { first_seen_at: patch.firstSeenAt }),
    ...(patch.reached !== undefined && { reached: patch.reached }),
    ...(patch.clockAheadMs !== undefined && { clock_ahead_ms: patch.clockAheadMs }),
    ...(patch.state !== undefined && { state: patch.state }),
    ...(patch.lastSuccessAt !== undefined && { last_success_at: patch.lastSuccessAt }),
    ...(patch.nextPollAt !== undefined && { next_poll_at: patch.nextPollAt }),
    ...(patch.lastError !== undefined && { last_error: patch.lastError === null ? null : storable(patch.lastError) }),
    ...(patch.refused !== undefined && { refused: patch.refused === null ? null : storable(patch.refused) }),
  }
}

const connectionOf = (row: Selectable<Schema['connections']>): ConnectionRow => ({
  id: row.id,
  vendor: row.vendor,
  cursor: row.cursor,
  firstSeenAt: row.first_seen_at,
  reached: row.reached,
  clockAheadMs: row.clock_ahead_ms,
  gaps: JSON.parse(row.gaps) as Window[],
  state: row.state as ConnectionState,
  lastSuccessAt: row.last_success_at,
  nextPollAt: row.next_poll_at,
  lastError: row.last_error,
  refused: row.refused,
  fingerprint: row.fingerprint,
  webhookAt: row.webhook_at,
  unannounced: row.unannounced,
  unannouncedSince: row.unannounced_since,
})
