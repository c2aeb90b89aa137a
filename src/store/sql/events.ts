import { type Kysely, type Selectable, sql } from 'kysely'
import type { EventType } from '../../../schemas/order-event.ts'
import type { EventRecord } from '../../order/event-record.ts'
import type { EventStore, StoredEvent } from '../port/events.ts'
import { countMatching, listMatching } from './event-conditions.ts'
import { holdLease } from './leases.ts'
import type { Sql, SqlDialect } from './sql.ts'
import type { Schema } from './tables.ts'

export function eventStore({ db, dialect, transaction }: Sql): EventStore {
  return {
    list: async (filter, paging) => {
      const rows = await listMatching<EventColumns>({ db, dialect, filter, paging, columns: EVENT_COLUMNS })
      return rows.map(storedEventOf)
    },

    places: async (filter, paging) => {
      const columns = sql`n, order_key`
      const rows = await listMatching<Pick<EventColumns, 'n' | 'order_key'>>({ db, dialect, filter, paging, columns })
      return rows.map(row => ({ n: row.n, orderKey: row.order_key }))
    },

    count: filter => countMatching({ db, dialect, filter }),

    get: async id => {
      const row = await db.selectFrom('events').selectAll().where('id', '=', id).executeTakeFirst()
      return row ? storedEventOf(row) : null
    },

    ofOrder: async (connection, orderId) => {
      const rows = await db
        .selectFrom('events')
        .selectAll()
        .where('order_id', '=', orderId)
        .where('connection', '=', connection)
        .orderBy('sequence')
        .execute()
      return rows.map(storedEventOf)
    },

    rates: async ({ since, until, bucketMs }) => {
      // Both are whole numbers, so both databases divide without a rest.
      const { rows } = await sql<{ at: number; type: string; count: number }>`
        select observed_at / ${sql.lit(Math.trunc(bucketMs))} as at, type, count(*) as count from events
        where observed_at >= ${since} and observed_at < ${until} group by 1, 2 order by 1, 2`.execute(db)
      return rows.map(({ at, type, count }) => ({
        at: Number(at) * bucketMs,
        type: type as EventType,
        count: Number(count),
      }))
    },

    last: async () => {
      const row = await db
        .selectFrom('events')
        .select(eb => eb.fn.max('n').as('n'))
        .executeTakeFirst()
      return row?.n ?? 0
    },

    unpublished: async (connection, limit, { after = 0, orderIds } = {}) => {
      // The limit stands before the join, so a planner with old statistics does not read the history.
      const found = orderIds
        ? sql<EventColumns>`
            select ${EVENT_COLUMNS} from events
            where connection = ${connection} and ${dialect.among(sql`order_id`, orderIds)} and n > ${after} and ${UNPUBLISHED}
            order by n limit ${limit}`
        : sql<EventColumns>`
            select ${EVENT_COLUMNS} from (
              select n from unpublished where connection = ${connection} and n > ${after} order by n limit ${limit}) as waiting
            join events on events.n = waiting.n order by events.n`
      return (await found.execute(db)).rows.map(storedEventOf)
    },

    unpublish: ({ connection, since, until = Number.MAX_SAFE_INTEGER, after, orders }) =>
      transaction(async trx => {
        const { rows } = await sql<{ order_id: string }>`
          select order_id from orders where connection = ${connection} and order_id > ${after}
          order by order_id limit ${orders}`.execute(trx)
        const orderIds = rows.map(row => row.order_id)
        const last = rows.at(-1)?.order_id ?? null
        if (last === null) return { events: 0, last }
        // Locks the events, so that retention removes none of them meanwhile.
        const { numAffectedRows = 0n } = await sql`
          insert into unpublished (connection, n)
          select connection, n from events where connection = ${connection}
          and ${dialect.among(sql`order_id`, orderIds)} and observed_at >= ${since} and observed_at < ${until}
          ${dialect.forKeyShare} on conflict (connection, n) do nothing`.execute(trx)
        return { events: Number(numAffectedRows), last }
      }),

    replaceUnpublished: async (lease, n, body) =>
      transaction(async trx => {
        await holdLease(trx, dialect, lease)
        const { numAffectedRows } = await sql`
          update events set body = ${body} where n = ${n} and ${UNPUBLISHED}`.execute(trx)
        return Number(numAffectedRows) > 0
      }),

    markPublished: async (lease, connection, ns) => {
      await transaction(async trx => {
        await holdLease(trx, dialect, lease)
        if (ns.length > 0)
          await sql`
            delete from unpublished
            where connection = ${connection} and ${dialect.among(sql`n`, ns, 'int')}`.execute(trx)
      })
    },
  }
}

/** Of an event: the event log does not have it yet, or is to get it again. */
export const UNPUBLISHED = sql`exists (
  select 1 from unpublished where unpublished.connection = events.connection and unpublished.n = events.n)`

/** Adds events in the order given. An id that exists already fails the whole transaction: ids are unique by construction. */
export async function insertEvents(
  trx: Kysely<Schema>,
  dialect: SqlDialect,
  events: readonly EventRecord[],
  { published, conflict = '' }: { published: boolean; conflict?: string },
): Promise<void> {
  if (events.length === 0) return
  await dialect.insert(
    trx,
    { table: 'events', columns: NEW_EVENT, conflict, locksHistory: true, ...(!published && { also: 'unpublished' }) },
    events.map(event => [
      event.id,
      event.type,
      event.connection,
      event.orderId,
      event.orderKey,
      event.sequence,
      event.occurredAt,
      event.occurredAtSource,
      event.observedAt,
      event.body,
    ]),
  )
}

const NEW_EVENT = {
  id: 'text',
  type: 'text',
  connection: 'text',
  order_id: 'text',
  order_key: 'text',
  sequence: 'int',
  occurred_at: 'int',
  occurred_at_source: 'text',
  observed_at: 'int',
  body: 'text',
} as const

/**
 * Puts back events that retention has removed since they were published. Locks their rows until the transaction ends, so retention
 * removes none meanwhile.
 */
export async function restoreEvents(
  { trx, dialect }: { trx: Kysely<Schema>; dialect: SqlDialect },
  events: readonly EventRecord[],
): Promise<void> {
  const byId = new Map(events.map(event => [event.id, event]))
  if (byId.size === 0) return
  const { rows } = await sql<{ id: string }>`
    select id from events where ${dialect.among(sql`id`, [...byId.keys()])} order by id ${dialect.forKeyShare}`.execute(
    trx,
  )
  for (const { id } of rows) byId.delete(id)
  if (byId.size === 0) return
  await dialect.lockHistory(trx)
  // Another process may have put an event back while we waited for the lock.
  const { rows: back } = await sql<{ id: string }>`
    select id from events where ${dialect.among(sql`id`, [...byId.keys()])} order by id ${dialect.forKeyShare}`.execute(
    trx,
  )
  for (const { id } of back) byId.delete(id)
  // The place of an event may be taken: the store went back, and the order was derived anew. Then its fact is published again.
  await insertEvents(trx, dialect, [...byId.values()], { published: true, conflict: 'on conflict do nothing' })
}

export type EventColumns = Selectable<Schema['events']>

/** The columns of `events` that make an event record. */
export const EVENT_COLUMNS = sql`events.n, events.id, events.type, events.connection, events.order_id, events.order_key,
  events.sequence, events.occurred_at, events.occurred_at_source, events.observed_at, events.body`

export const eventOf = (row: EventColumns): EventRecord => ({
  id: row.id,
  type: row.type as EventType,
  connection: row.connection,
  orderId: row.order_id,
  orderKey: row.order_key,
  sequence: row.sequence,
  occurredAt: row.occurred_at,
  occurredAtSource: row.occurred_at_source as EventRecord['occurredAtSource'],
  observedAt: row.observed_at,
  body: row.body,
})

const storedEventOf = (row: EventColumns): StoredEvent => ({ n: row.n, ...eventOf(row) })
