import { type Selectable, sql } from 'kysely'
import type { EventFilter } from '../port/events.ts'
import type { ReplayRow, ReplayStore } from '../port/replays.ts'
import { countMatching, listMatching } from './event-conditions.ts'
import { EVENT_COLUMNS, type EventColumns, eventOf } from './events.ts'
import { holdLease } from './leases.ts'
import { pause } from './pause.ts'
import type { Sql } from './sql.ts'
import type { Schema } from './tables.ts'

const CHUNK = 500

export function replayStore({ db, dialect, transaction }: Sql): ReplayStore {
  const end = async (): Promise<number> => {
    const { rows } = await sql<{ n: number | null }>`select max(n) as n from events`.execute(db)
    return rows[0]?.n ?? 0
  }

  /** How many of the matching events `wants` chooses. */
  const countWanted = async (filter: EventFilter, wants: Parameters<ReplayStore['add']>[3]): Promise<number> => {
    if (!wants) return countMatching({ db, dialect, filter })
    let count = 0
    for (let after: number | undefined; ; await pause()) {
      const paging = { limit: CHUNK, ...(after !== undefined && { after }) }
      const rows = await listMatching<EventColumns>({ db, dialect, filter, paging, columns: EVENT_COLUMNS })
      count += rows.filter(row => wants(eventOf(row))).length
      after = rows.at(-1)?.n
      if (after === undefined) return count
    }
  }

  return {
    end,

    add: async (destination, filter, now, wants) => {
      const through = await end()
      const count = await countWanted({ ...filter, through }, wants)
      if (count > 0)
        await db
          .insertInto('replays')
          .values({
            destination,
            filter: JSON.stringify(filter),
            opening: 0,
            through,
            queued: '[]',
            created_at: now,
          })
          .execute()
      return count
    },

    pending: async () => (await db.selectFrom('replays').selectAll().orderBy('n').execute()).map(replayOf),

    published: async through => {
      const { rows } = await sql`
        select 1 from unpublished where n <= ${through} limit 1`.execute(db)
      return rows.length === 0
    },

    unpublished: async through => {
      const { rows } = await sql<{ order_key: string; sequence: number }>`
        select waiting.order_key, min(waiting.sequence) as sequence
        from unpublished join events as waiting on waiting.n = unpublished.n
        where unpublished.n <= ${through} and not exists (
          select 1 from events as later where later.connection = waiting.connection and later.order_id = waiting.order_id
          and later.sequence > waiting.sequence and not exists (
            select 1 from unpublished as open where open.connection = later.connection and open.n = later.n))
        group by waiting.order_key`.execute(db)
      return new Map(rows.map(({ order_key, sequence }) => [order_key, sequence]))
    },

    queued: (n, { partition, partitions, lease }) =>
      transaction(async trx => {
        await holdLease(trx, dialect, lease)
        const { rows } = await sql<{ queued: string }>`
          select queued from replays where n = ${n} ${dialect.forUpdate}`.execute(trx)
        const [row] = rows
        // The replay is over, or its destination was removed.
        if (!row) return
        const done = new Set([...(JSON.parse(row.queued) as number[]), partition])
        const left = Array.from({ length: partitions }, (_, index) => index).some(index => !done.has(index))
        if (left) await sql`update replays set queued = ${JSON.stringify([...done])} where n = ${n}`.execute(trx)
        else await sql`delete from replays where n = ${n}`.execute(trx)
      }),
  }
}

const replayOf = (row: Selectable<Schema['replays']>): ReplayRow => ({
  n: row.n,
  destination: row.destination,
  filter: JSON.parse(row.filter) as EventFilter,
  opening: row.opening === 1,
  through: row.through,
  queued: JSON.parse(row.queued) as number[],
  createdAt: row.created_at,
})
