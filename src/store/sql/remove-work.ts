import { type Kysely, sql } from 'kysely'
import type { Schema } from './tables.ts'

/**
 * Removes the backlog, replays and dead letters of a destination. Replays first: a replay that queues events has its row locked. Then
 * lanes: every change of a backlog locks the lane. `unlessThere`: removes nothing if an endpoint of this id exists; each statement asks,
 * because the endpoint may be added meanwhile.
 */
export async function removeWork(
  trx: Kysely<Schema>,
  destination: string,
  { unlessThere = false } = {},
): Promise<void> {
  const there = unlessThere ? sql` and not exists (select 1 from endpoints where id = ${destination})` : sql``
  for (const table of ['replays', 'lanes', 'backlog', 'dead_letters', 'expired_dead_letters'])
    await sql`delete from ${sql.table(table)} where destination = ${destination}${there}`.execute(trx)
}
