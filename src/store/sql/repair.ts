import { type Kysely, sql } from 'kysely'
import { keyHash } from '../../lib/murmur2.ts'
import type { VerifyStore } from '../port/verify.ts'
import { dropEmptyLanes, existingLanes, lockLanes } from './backlog.ts'
import type { Sql } from './sql.ts'
import type { Schema } from './tables.ts'

type Repairs = Pick<VerifyStore, 'dropEmptyLane' | 'restoreLane' | 'releaseLane' | 'dropWithoutEvent' | 'lowerOffset'>

/** What `verify --repair` may change. Each condition is in the changing statement itself, or holds while the lane's row is locked. */
export function repairs({ db, dialect, transaction }: Sql): Repairs {
  const has = async (trx: Kysely<Schema>, { destination, orderKey }: { destination: string; orderKey: string }) =>
    (await existingLanes(trx, dialect, destination, [orderKey])).has(orderKey)

  return {
    dropEmptyLane: lane =>
      transaction(async trx => {
        const part = { trx, dialect }
        if (!(await has(trx, lane))) return false
        await dropEmptyLanes(part, await lockLanes(part, [lane]))
        return !(await has(trx, lane))
      }),

    restoreLane: async ({ destination, orderKey }, now) => {
      const { numAffectedRows } = await sql`
        insert into lanes (destination, order_key, key_hash, next_at, attempt, held)
        select destination, order_key, ${sql.lit(keyHash(orderKey))}, ${sql.lit(now)}, 0, 0 from backlog
        where destination = ${destination} and order_key = ${orderKey} limit 1
        on conflict (destination, order_key) do nothing`.execute(db)
      return numAffectedRows === 1n
    },

    releaseLane: async ({ destination, orderKey }, now) => {
      const { numAffectedRows } = await sql`
        update lanes set held = 0, attempt = 0, next_at = ${now}
        where destination = ${destination} and order_key = ${orderKey} and held = 1 and not exists (
          select 1 from dead_letters
          where dead_letters.destination = lanes.destination and dead_letters.order_key = lanes.order_key
          and holding = 1)`.execute(db)
      return numAffectedRows === 1n
    },

    dropWithoutEvent: (destination, eventId) =>
      transaction(async trx => {
        const part = { trx, dialect }
        const { rows } = await sql<{ order_key: string }>`
          select order_key from backlog where destination = ${destination} and event_id = ${eventId}`.execute(trx)
        const lanes = await lockLanes(
          part,
          rows.map(row => ({ destination, orderKey: row.order_key })),
        )
        let gone = 0n
        for (const table of ['backlog', 'dead_letters'] as const) {
          const { numAffectedRows = 0n } = await sql`
            delete from ${sql.table(table)} where destination = ${destination} and event_id = ${eventId}
            and not exists (select 1 from events where events.id = ${eventId})`.execute(trx)
          gone += numAffectedRows
        }
        await dropEmptyLanes(part, lanes)
        return gone > 0n
      }),

    lowerOffset: async (group, partition) => {
      const end = await endOfHistory(db, dialect.kind)
      // To the beginning: nobody knows which of the events that are there were delivered.
      const { numAffectedRows } = await sql`
        update offsets set position = 0, ahead = null
        where group_id = ${group} and partition = ${partition} and position > ${end}`.execute(db)
      return numAffectedRows === 1n
    },
  }
}

/** The last `n` that an event was given, whether or not it is still there. */
export async function lastGiven(db: Kysely<Schema>, kind: 'sqlite' | 'postgres'): Promise<number> {
  const { rows } =
    kind === 'sqlite'
      ? await sql<{ given: number }>`select seq as given from sqlite_sequence where name = 'events'`.execute(db)
      : await sql<{ given: number | null }>`
          select pg_sequence_last_value(pg_get_serial_sequence('events', 'n')::regclass) as given`.execute(db)
  return rows[0]?.given ?? 0
}

/** The last `n` there is, or that an event was given; retention may have taken the events away. */
export async function endOfHistory(db: Kysely<Schema>, kind: 'sqlite' | 'postgres'): Promise<number> {
  const { rows } = await sql<{ last: number | null }>`select max(n) as last from events`.execute(db)
  return Math.max(rows[0]?.last ?? 0, await lastGiven(db, kind))
}
