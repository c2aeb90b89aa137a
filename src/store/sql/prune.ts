import { type Kysely, sql } from 'kysely'
import type { Schema } from '../schema.ts'
import type { Store } from '../store.ts'
import { dropEmptyLanes, type Lane, lockLanes } from './backlog.ts'
import { pause } from './pause.ts'
import type { Sql, SqlDialect } from './sql.ts'

const CHUNK = 500

/**
 * Retention. The history reaches back so far and no further: an event that goes takes what waits of it and its dead letters along,
 * and lanes left empty. An event that is not yet published stays, however old; what is known of an order stays for good.
 */
export function pruner({ db, dialect, transaction }: Sql): Store['prune'] {
  return async (before, signal) => {
    const gone = { events: 0, attempts: 0 }
    while (!signal.aborted) {
      const count = await transaction(trx => pruneEvents({ trx, dialect }, before.events))
      gone.events += count
      await pause()
      if (count < CHUNK) break
    }
    while (!signal.aborted) {
      const { numAffectedRows } = await sql`
        delete from attempts
        where at < ${before.attempts} and n in (select n from attempts order by n limit ${CHUNK})`.execute(db)
      const count = Number(numAffectedRows ?? 0)
      gone.attempts += count
      await pause()
      if (count < CHUNK) break
    }
    // Replays to a handler that is no more are never taken up.
    if (!signal.aborted) await sql`delete from replays where created_at < ${before.events}`.execute(db)
    // Rows without an order id are replaced by nothing; they would pile up.
    if (!signal.aborted)
      await sql`delete from quarantine where order_id is null and span_from is null and at < ${before.events}`.execute(
        db,
      )
    return gone
  }
}

async function pruneEvents(
  { trx, dialect }: { trx: Kysely<Schema>; dialect: SqlDialect },
  before: number,
): Promise<number> {
  const { rows } = await sql<{ n: number; id: string }>`
    select n, id from events where observed_at < ${before} and published_at is not null
    order by observed_at, n limit ${CHUNK} ${dialect.forUpdateSkip}`.execute(trx)
  if (rows.length === 0) return 0
  const ids = rows.map(row => row.id)
  const { rows: waiting } = await sql<{ destination: string; order_key: string }>`
    select destination, order_key from backlog where ${dialect.among(sql`event_id`, ids)}
    union select destination, order_key from dead_letters where ${dialect.among(sql`event_id`, ids)}`.execute(trx)
  const touched = waiting.map((row): Lane => ({ destination: row.destination, orderKey: row.order_key }))
  const lanes = await lockLanes({ trx, dialect }, touched)
  await sql`delete from backlog where ${dialect.among(sql`event_id`, ids)}`.execute(trx)
  await sql`delete from dead_letters where ${dialect.among(sql`event_id`, ids)}`.execute(trx)
  await dropEmptyLanes({ trx, dialect }, lanes)
  await releaseLanes({ trx, dialect }, lanes)
  await sql`delete from events where ${dialect.among(
    sql`n`,
    rows.map(row => row.n),
    'int',
  )}`.execute(trx)
  return rows.length
}

/** A lane whose holder went goes on with what is left. */
async function releaseLanes(
  { trx, dialect }: { trx: Kysely<Schema>; dialect: SqlDialect },
  lanes: readonly Lane[],
): Promise<void> {
  if (lanes.length === 0) return
  const source = dialect.rows(
    'chosen',
    { destination: 'text', order_key: 'text' },
    lanes.map(lane => [lane.destination, lane.orderKey]),
  )
  await sql`
    update lanes set held = 0, attempt = 0
    where held = 1 and (destination, order_key) in (select destination, order_key from ${source})
    and not exists (
      select 1 from dead_letters
      where dead_letters.destination = lanes.destination and dead_letters.order_key = lanes.order_key and holding = 1)`.execute(
    trx,
  )
}
