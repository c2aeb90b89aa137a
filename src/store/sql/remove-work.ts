import { type Kysely, sql } from 'kysely'
import type { Schema } from './tables.ts'

/**
 * Removes everything that waits for a destination, and what was given up. Replays first: whoever puts past events in holds the replay's row.
 * Then lanes: whoever changes a backlog holds its lane. `unlessThere`: nothing where an endpoint of this id is there. That is asked with
 * each table: one made meanwhile comes with its replay in one write.
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
