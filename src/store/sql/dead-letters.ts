import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { DeadLetterFilter, DeadLetterRow, DeadLetterStore } from '../port/dead-letters.ts'
import { dropEmptyLanes, enqueue, lockLanes, makeDue } from './backlog.ts'
import { matching } from './event-conditions.ts'
import { EVENT_COLUMNS, type EventColumns, eventOf } from './events.ts'
import { pause } from './pause.ts'
import type { Sql, SqlDialect } from './sql.ts'
import type { Schema } from './tables.ts'

const CHUNK = 500
/** So many of the latest are grouped, so that the cost does not grow with the store. */
const MOST_GROUPED = 10_000

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
      const rows = await db.selectFrom('expired_dead_letters').select(['destination', 'count', 'last_at']).execute()
      return new Map(rows.map(row => [row.destination, { count: row.count, lastAt: row.last_at }]))
    },

    groups: async (since, limit) => {
      const { rows } = await sql<GroupColumns>`
        select destination, last_error, count(*) as count, min(at) as first_at, max(at) as last_at from (
          select destination, last_error, at from dead_letters where at >= ${since} order by at desc limit ${MOST_GROUPED}
        ) as latest group by destination, last_error
        order by count desc, last_at desc, destination, last_error limit ${limit}`.execute(db)
      return rows.map(({ destination, last_error: error, count, first_at: firstAt, last_at: lastAt }) => ({
        ...{ destination, error, count, firstAt, lastAt },
      }))
    },

    count: async filter => {
      const { rows } = await sql<{ count: number }>`
        select count(*) as count from dead_letters as letter ${ofEvents(filter) ? sql`join events on events.id = letter.event_id` : sql``}
        where ${chosen(dialect, filter)}`.execute(db)
      return rows[0]?.count ?? 0
    },

    redrive: (filter, now) =>
      eachChunk(filter, async (part, letters) => {
        const entries = letters.map(letter => ({
          destination: letter.destination,
          eventId: letter.event_id,
          origin: 'redrive' as const,
        }))
        const lanes = await enqueue(part, entries, { nextAt: now, attempt: 0 })
        const count = await removeLetters(part, letters)
        await dropEmptyLanes(part, lanes)
        await makeDue(part, lanes, now)
        return count
      }),

    discard: (filter, now) =>
      eachChunk(filter, async (part, letters) => {
        const held = letters.filter(({ holding }) => holding === 1)
        const locked = await lockLanes(part, held.map(laneOf))
        const { rows: gone } = await sql<Chosen>`
          delete from dead_letters where ${dialect.among(
            sql`id`,
            letters.map(({ id }) => id),
          )} returning id, destination, order_key, sequence, event_id, holding`.execute(part.trx)
        // A letter that was redriven meanwhile is not among them, and its event waits for good reason.
        const released = gone.filter(({ holding }) => holding === 1)
        await removeWaiting(part, released)
        const keys = new Set(released.map(letter => `${letter.destination} ${letter.order_key}`))
        const lanes = locked.filter(({ destination, orderKey }) => keys.has(`${destination} ${orderKey}`))
        await dropEmptyLanes(part, lanes)
        await makeDue(part, lanes, now)
        return gone.length
      }),
  }

  /** Letters in chunks, lane by lane and in sequence, so that an earlier letter of an order never comes in a later chunk. */
  async function eachChunk(
    filter: DeadLetterFilter,
    work: (part: Part, letters: readonly Chosen[]) => Promise<number>,
  ): Promise<number> {
    let done = 0
    let behind: RawBuilder<unknown> = sql``
    for (;;) {
      const { rows } = await sql<Chosen>`
        select letter.id, letter.destination, letter.order_key, letter.sequence, letter.event_id, letter.holding
        from dead_letters as letter join events on events.id = letter.event_id
        where ${chosen(dialect, filter)} ${behind}
        order by letter.destination, letter.order_key, letter.sequence limit ${CHUNK}`.execute(db)
      const last = rows.at(-1)
      if (!last) return done
      done += await transaction(trx => work({ trx, dialect }, rows))
      behind = sql`and (letter.destination, letter.order_key, letter.sequence) > (${last.destination}, ${last.order_key}, ${last.sequence})`
      await pause()
    }
  }
}

interface Part {
  readonly trx: Kysely<Schema>
  readonly dialect: SqlDialect
}

async function removeLetters({ trx, dialect }: Part, letters: readonly Chosen[]): Promise<number> {
  const ids = letters.map(({ id }) => id)
  const { numAffectedRows } = await sql`delete from dead_letters where ${dialect.among(sql`id`, ids)}`.execute(trx)
  return Number(numAffectedRows ?? 0)
}

/** The events of letters that held their lanes leave the backlog. */
async function removeWaiting({ trx, dialect }: Part, letters: readonly Chosen[]): Promise<void> {
  if (letters.length === 0) return
  const held = dialect.rows(
    'held',
    { destination: 'text', event_id: 'text' },
    letters.map(letter => [letter.destination, letter.event_id]),
  )
  await sql`
    delete from backlog where n in (
      select waiting.n from ${held}
      join backlog as waiting on waiting.event_id = held.event_id and waiting.destination = held.destination)`.execute(
    trx,
  )
}

const laneOf = ({ destination, order_key: orderKey }: Chosen) => ({ destination, orderKey })

interface GroupColumns {
  readonly destination: string
  readonly last_error: string
  readonly count: number
  readonly first_at: number
  readonly last_at: number
}

interface Chosen {
  readonly id: string
  readonly destination: string
  readonly order_key: string
  readonly sequence: number
  readonly event_id: string
  readonly holding: number
}

/** Whether the filter asks for anything of the events. */
const ofEvents = ({ destination, ids, error, ...filter }: DeadLetterFilter): boolean => Object.keys(filter).length > 0

function chosen(dialect: SqlDialect, { destination, ids, error, ...filter }: DeadLetterFilter): RawBuilder<unknown> {
  const parts: RawBuilder<unknown>[] = [matching(dialect, filter)]
  if (destination !== undefined) parts.push(sql`letter.destination = ${destination}`)
  if (error !== undefined) parts.push(sql`letter.last_error = ${error}`)
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
