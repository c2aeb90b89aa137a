import { type RawBuilder, sql } from 'kysely'
import type { DeadLetterFilter, DeadLetterRow, DeadLetterStore } from '../port/dead-letters.ts'
import { dropEmptyLanes, enqueue, makeDue } from './backlog.ts'
import { matching } from './event-conditions.ts'
import { EVENT_COLUMNS, type EventColumns, eventOf } from './events.ts'
import { pause } from './pause.ts'
import type { Sql, SqlDialect } from './sql.ts'

const REDRIVE_CHUNK = 500

export function deadLetterStore({ db, dialect, transaction }: Sql): DeadLetterStore {
  return {
    list: async (filter, paging) => {
      const { rows } = await sql<LetterColumns>`
        select ${LETTER_COLUMNS}, ${EVENT_COLUMNS} from dead_letters as letter join events on events.id = letter.event_id
        where ${chosen(dialect, filter)} ${paging.after === undefined ? sql`` : sql`and letter.n < ${paging.after}`}
        order by letter.n desc limit ${paging.limit}`.execute(db)
      return rows.map(letterOf)
    },

    get: async id => {
      const { rows } = await sql<LetterColumns>`
        select ${LETTER_COLUMNS}, ${EVENT_COLUMNS} from dead_letters as letter join events on events.id = letter.event_id
        where letter.id = ${id}`.execute(db)
      return rows[0] ? letterOf(rows[0]) : null
    },

    counts: async () => {
      const { rows } = await sql<{ destination: string; count: number }>`
        select destination, count(*) as count from dead_letters group by destination`.execute(db)
      return new Map(rows.map(row => [row.destination, row.count]))
    },

    expired: async () => {
      const rows = await db.selectFrom('expired_dead_letters').select(['destination', 'count']).execute()
      return new Map(rows.map(row => [row.destination, row.count]))
    },

    redrive: async (filter, now) => {
      let queued = 0
      let behind: RawBuilder<unknown> = sql``
      for (;;) {
        // Lane by lane, in sequence: an earlier letter of an order is never queued in a later chunk.
        const { rows } = await sql<Chosen>`
          select letter.id, letter.destination, letter.order_key, letter.sequence, letter.event_id
          from dead_letters as letter join events on events.id = letter.event_id
          where ${chosen(dialect, filter)} ${behind}
          order by letter.destination, letter.order_key, letter.sequence limit ${REDRIVE_CHUNK}`.execute(db)
        const last = rows.at(-1)
        if (!last) return queued
        queued += await transaction(async trx => {
          const part = { trx, dialect }
          const entries = rows.map(row => ({
            destination: row.destination,
            eventId: row.event_id,
            origin: 'redrive' as const,
          }))
          const lanes = await enqueue(part, entries, { nextAt: now, attempt: 0 })
          const { numAffectedRows } = await sql`
            delete from dead_letters where ${dialect.among(
              sql`id`,
              rows.map(row => row.id),
            )}`.execute(trx)
          await dropEmptyLanes(part, lanes)
          await makeDue(part, lanes, now)
          return Number(numAffectedRows ?? 0)
        })
        behind = sql`and (letter.destination, letter.order_key, letter.sequence) > (${last.destination}, ${last.order_key}, ${last.sequence})`
        await pause()
      }
    },
  }
}

interface Chosen {
  readonly id: string
  readonly destination: string
  readonly order_key: string
  readonly sequence: number
  readonly event_id: string
}

function chosen(dialect: SqlDialect, { destination, ids, ...filter }: DeadLetterFilter): RawBuilder<unknown> {
  const parts: RawBuilder<unknown>[] = [matching(dialect, filter)]
  if (destination !== undefined) parts.push(sql`letter.destination = ${destination}`)
  if (ids) parts.push(dialect.among(sql`letter.id`, ids))
  return sql.join(parts, sql` and `)
}

const LETTER_COLUMNS = sql`letter.n as letter_n, letter.id as letter_id, letter.destination, letter.at, letter.attempts,
  letter.last_error, letter.holding`

interface LetterColumns extends EventColumns {
  readonly letter_n: number
  readonly letter_id: string
  readonly destination: string
  readonly at: number
  readonly attempts: number
  readonly last_error: string
  readonly holding: number
}

const letterOf = (row: LetterColumns): DeadLetterRow => ({
  n: row.letter_n,
  id: row.letter_id,
  destination: row.destination,
  event: eventOf(row),
  at: row.at,
  attempts: row.attempts,
  lastError: row.last_error,
  holding: row.holding === 1,
})
