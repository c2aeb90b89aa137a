import { type Selectable, sql } from 'kysely'
import type { AttemptRow, DeliveryRow, DeliveryStore } from '../port/deliveries.ts'
import { findDeliveries, listDeliveries } from './delivery-list.ts'
import { attemptsInShort } from './delivery-stats.ts'
import type { Found } from './delivery-streams.ts'
import { type Sql, storable } from './sql.ts'
import type { Schema } from './tables.ts'

const ATTEMPT_COLUMNS = {
  destination: 'text',
  event_id: 'text',
  event_n: 'int',
  order_key: 'text',
  attempt: 'int',
  at: 'int',
  outcome: 'text',
  status_code: 'int',
  ms: 'int',
  error: 'text',
  response: 'text',
  origin: 'text',
} as const

export function deliveryStore(store: Sql): DeliveryStore {
  const { db, dialect, relaxed } = store

  /** The rows found, each with its attempts, oldest first. */
  const withAttempts = async (found: readonly Found[]): Promise<DeliveryRow[]> => {
    if (found.length === 0) return []
    const asked = dialect.rows(
      'asked',
      { destination: 'text', event_n: 'int' },
      found.map(({ destination, eventN }) => [destination, eventN]),
    )
    const { rows } = await sql<Selectable<Schema['attempts']>>`
      select attempts.* from ${asked}
      join attempts on attempts.event_n = asked.event_n and attempts.destination = asked.destination
      order by attempts.n`.execute(db)
    const attempts = Map.groupBy(rows.map(attemptOf), attempt => `${attempt.destination}:${attempt.eventId}`)
    return found.map(({ destination, eventId, orderKey, status, attempt, nextAttemptAt }) => {
      const id = `${destination}:${eventId}`
      return {
        id,
        destination,
        eventId,
        orderKey,
        status,
        attempt,
        nextAttemptAt,
        attempts: attempts.get(id) ?? [],
      }
    })
  }

  /** The places of those events that come without one. */
  const numbersOf = async (trx: Sql['db'], attempts: readonly AttemptRow[]): Promise<ReadonlyMap<string, number>> => {
    const ids = new Set(attempts.flatMap(({ eventId, eventN }) => (eventN === undefined ? [eventId] : [])))
    if (ids.size === 0) return new Map()
    const { rows } = await sql<{ id: string; n: number }>`
      select id, n from events where ${dialect.among(sql`id`, [...ids])}`.execute(trx)
    return new Map(rows.map(({ id, n }) => [id, n]))
  }

  const add = async (trx: Sql['db'], attempts: readonly AttemptRow[]): Promise<void> => {
    const numbers = await numbersOf(trx, attempts)
    const values = attempts.map(item => [
      item.destination,
      item.eventId,
      item.eventN ?? numbers.get(item.eventId) ?? null,
      item.orderKey,
      item.attempt,
      item.at,
      item.outcome,
      item.statusCode,
      item.ms,
      item.error === null ? null : storable(item.error),
      item.response === null ? null : storable(item.response),
      item.origin,
    ])
    await dialect.insert(trx, { table: 'attempts', columns: ATTEMPT_COLUMNS }, values)
  }

  /** An event that was dead-lettered, read again after a crash and then delivered needs no letter. */
  const dropLetters = async (trx: Sql['db'], delivered: readonly AttemptRow[]): Promise<void> => {
    const { rows } = await sql`select 1 from dead_letters limit 1`.execute(trx)
    if (rows.length === 0) return
    const done = dialect.rows(
      'done',
      { destination: 'text', event_id: 'text', at: 'int' },
      delivered.map(({ destination, eventId, at }) => [destination, eventId, at]),
    )
    await sql`
      delete from dead_letters where holding = 0 and n in (
        select letter.n from ${done}
        join dead_letters as letter on letter.event_id = done.event_id and letter.destination = done.destination
        where letter.at <= done.at)`.execute(trx)
  }

  return {
    record: async attempts => {
      if (attempts.length === 0) return
      const delivered = attempts.filter(({ outcome }) => outcome === 'delivered')
      // Relaxed: attempts serve people only.
      await relaxed(async trx => {
        await add(trx, attempts)
        if (delivered.length > 0) await dropLetters(trx, delivered)
      })
    },

    list: async (filter, paging) => {
      const { found, next } = await listDeliveries(store, filter, paging)
      return { data: await withAttempts(found), next }
    },

    get: async (destination, eventId) => {
      const [row] = await withAttempts(await findDeliveries(store, destination, eventId))
      return row ?? null
    },

    failingSince: async (destination, since) => {
      const { rows } = await sql<{ at: number | null }>`
        select min(at) as at from attempts
        where destination = ${destination} and at >= ${since} and n > coalesce((
          select n from attempts
          where destination = ${destination} and outcome = 'delivered' order by n desc limit 1), 0)`.execute(db)
      return rows[0]?.at ?? null
    },

    delivered: async (destination, events) => {
      if (events.length === 0) return 0
      const asked = dialect.rows(
        'asked',
        { event_n: 'int' },
        events.map(n => [n]),
      )
      const { rows } = await sql<{ count: number }>`
        select count(*) as count from ${asked} where exists (
          select 1 from attempts where attempts.event_n = asked.event_n
          and attempts.destination = ${destination} and attempts.outcome = 'delivered')`.execute(db)
      return Number(rows[0]?.count ?? 0)
    },

    recent: async (destination, limit) => {
      const { rows } = await sql<Selectable<Schema['attempts']>>`
        select * from attempts where destination = ${destination} order by n desc limit ${limit}`.execute(db)
      return rows.map(attemptOf)
    },

    acknowledged: async limit => {
      const { rows: newest } = await sql<{ n: number | null }>`select max(n) as n from attempts`.execute(db)
      const after = (newest[0]?.n ?? 0) - limit
      const { rows: attempts } = await sql<{ at: number; event_n: number }>`
        select at, event_n from attempts where n > ${after} and outcome = 'delivered' and event_n is not null
        and (origin is null or origin = 'live') order by n desc`.execute(db)
      const ns = [...new Set(attempts.map(({ event_n }) => event_n))]
      if (ns.length === 0) return []
      const { rows } = await sql<
        Pick<Selectable<Schema['events']>, 'n' | 'observed_at' | 'occurred_at' | 'occurred_at_source'>
      >`
        select n, observed_at, occurred_at, occurred_at_source from events
        where ${dialect.among(sql`n`, ns, 'int')}`.execute(db)
      const events = new Map(rows.map(row => [row.n, row]))
      return attempts.flatMap(({ at, event_n }) => {
        const event = events.get(event_n)
        if (!event) return []
        const occurredAt = event.occurred_at_source === 'vendor' ? event.occurred_at : null
        return [{ at, observedAt: event.observed_at, occurredAt }]
      })
    },

    ...attemptsInShort(store),
  }
}

const attemptOf = (row: Selectable<Schema['attempts']>): AttemptRow => ({
  destination: row.destination,
  eventId: row.event_id,
  orderKey: row.order_key,
  attempt: row.attempt,
  at: row.at,
  outcome: row.outcome as AttemptRow['outcome'],
  statusCode: row.status_code,
  ms: row.ms,
  error: row.error,
  response: row.response,
  origin: row.origin as AttemptRow['origin'],
})
