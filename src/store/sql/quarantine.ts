import { createHash } from 'node:crypto'
import { type Kysely, type Selectable, sql } from 'kysely'
import { timestamp } from '../../lib/clock.ts'
import type { PageCommit } from '../port/orders.ts'
import type { QuarantinedSpan, QuarantineRow, QuarantineStore } from '../port/quarantine.ts'
import { holdLease } from './leases.ts'
import { type Sql, type SqlDialect, storable } from './sql.ts'
import type { Schema } from './tables.ts'

/** So many of the latest are grouped, so that the cost does not grow with the store. */
const MOST_GROUPED = 10_000

export function quarantineStore({ db, dialect, transaction }: Sql): QuarantineStore {
  return {
    list: async (filter, paging) => {
      let query = db.selectFrom('quarantine').selectAll().orderBy('n', 'desc').limit(paging.limit)
      if (filter.connection !== undefined) query = query.where('connection', '=', filter.connection)
      if (filter.orderId !== undefined) query = query.where('order_id', '=', filter.orderId)
      if (paging.after !== undefined) query = query.where('n', '<', paging.after)
      return (await query.execute()).map(quarantineOf)
    },

    summary: async () => {
      const { rows } = await sql<{ connection: string; count: number; since: number; reason: string }>`
        select connection, count, since, (select reason from quarantine where n = latest) as reason
        from (select connection, count(*) as count, min(at) as since, max(n) as latest
          from quarantine group by connection) as counted order by connection`.execute(db)
      return rows
    },

    groups: async limit => {
      const { rows } = await sql<{
        connection: string
        path: string
        reason: string
        count: number
        first_at: number
        last_at: number
      }>`
        select connection, path, reason, count(*) as count, min(at) as first_at, max(at) as last_at
        from (select connection, path, reason, at from quarantine order by n desc limit ${MOST_GROUPED}) as latest
        group by connection, path, reason order by count(*) desc, connection, path limit ${limit}`.execute(db)
      return rows.map(({ first_at, last_at, count, ...group }) => ({
        ...group,
        count: Number(count),
        firstAt: Number(first_at),
        lastAt: Number(last_at),
      }))
    },

    get: async id => {
      const row = await db.selectFrom('quarantine').selectAll().where('id', '=', id).executeTakeFirst()
      return row ? quarantineOf(row) : null
    },

    remove: async id => {
      await db.deleteFrom('quarantine').where('id', '=', id).execute()
    },

    spans: async connection => {
      const { rows } = await sql<SpanRow>`
        select connection, at, reason, span_from, span_to, tries, next_at from quarantine
        where connection = ${connection} and span_from is not null order by span_from`.execute(db)
      return rows.map(spanOf)
    },

    setSpan: (lease, { connection, from, to, at, reason, tries, nextAt }) =>
      transaction(async trx => {
        await holdLease(trx, dialect, lease)
        await sql`
          insert into quarantine (id, connection, order_id, at, reason, path, value, span_from, span_to, tries, next_at)
          values (${spanId({ connection, from, to })}, ${connection}, null, ${at}, ${storable(reason)}, 'updated_at',
            ${`${timestamp(from)}/${timestamp(to)}`}, ${from}, ${to}, ${tries}, ${nextAt})
          on conflict (id) do update set
            reason = excluded.reason, tries = excluded.tries, next_at = excluded.next_at`.execute(trx)
      }),

    removeSpan: (lease, span) =>
      transaction(async trx => {
        await holdLease(trx, dialect, lease)
        await trx.deleteFrom('quarantine').where('id', '=', spanId(span)).execute()
      }),

    makeDue: async (id, now) => {
      await sql`update quarantine set next_at = ${now} where id = ${id} and span_from is not null`.execute(db)
    },
  }
}

/**
 * Replaces the entries of each order given. An entry that stays keeps its id, its place and its time. Entries of rows without an order id
 * are only added, and identified by their content.
 */
export async function replaceEntries(
  trx: Kysely<Schema>,
  dialect: SqlDialect,
  connection: string,
  quarantine: PageCommit['quarantine'],
): Promise<void> {
  const entries = new Map<string, (string | number | null)[]>()
  for (const { orderId, entries: ofOrder, at } of quarantine)
    for (const { path, value, reason } of ofOrder) {
      const id = quarantineId(connection, orderId, path, value)
      entries.set(id, [id, connection, orderId, at, storable(reason), storable(path), storable(value)])
    }

  const orderIds = [...new Set(quarantine.flatMap(({ orderId }) => (orderId === null ? [] : [orderId])))]
  if (orderIds.length > 0)
    await sql`
      delete from quarantine where connection = ${connection} and ${dialect.among(sql`order_id`, orderIds)}
      and not (${dialect.among(sql`id`, [...entries.keys()])})`.execute(trx)

  if (entries.size === 0) return
  const source = dialect.rows(
    'new',
    { id: 'text', connection: 'text', order_id: 'text', at: 'int', reason: 'text', path: 'text', value: 'text' },
    [...entries.values()],
  )
  await sql`
    insert into quarantine (id, connection, order_id, at, reason, path, value)
    select id, connection, order_id, at, reason, path, value from ${source} where true order by i
    on conflict (id) do update set reason = excluded.reason, value = excluded.value`.execute(trx)
}

type SpanRow = Pick<
  Selectable<Schema['quarantine']>,
  'connection' | 'at' | 'reason' | 'span_from' | 'span_to' | 'tries' | 'next_at'
>

const spanOf = (row: SpanRow): QuarantinedSpan => ({
  connection: row.connection,
  from: row.span_from ?? 0,
  to: row.span_to ?? 0,
  at: row.at,
  reason: row.reason,
  tries: row.tries ?? 0,
  nextAt: row.next_at ?? 0,
})

function spanId({ connection, from, to }: Pick<QuarantinedSpan, 'connection' | 'from' | 'to'>): string {
  const hash = createHash('sha256').update(JSON.stringify([connection, 'span', from, to]))
  return `q_${hash.digest('hex').slice(0, 24)}`
}

function quarantineId(connection: string, orderId: string | null, path: string, value: string): string {
  const place = orderId === null ? ['row', value] : ['order', orderId]
  const hash = createHash('sha256').update(JSON.stringify([connection, ...place, path]))
  return `q_${hash.digest('hex').slice(0, 24)}`
}

const quarantineOf = (row: Selectable<Schema['quarantine']>): QuarantineRow => ({
  n: row.n,
  id: row.id,
  connection: row.connection,
  orderId: row.order_id,
  at: row.at,
  reason: row.reason,
  path: row.path,
  value: row.value,
  span: row.span_from === null || row.span_to === null ? null : { from: row.span_from, to: row.span_to },
})
