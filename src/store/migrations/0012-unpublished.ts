import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

/** What the event log does not have yet is a table of its own: to publish an event no longer writes its row and its indexes again. */
export async function unpublished(db: Kysely<Schema>, { int, key }: ColumnTypes): Promise<void> {
  const run = (statement: ReturnType<typeof sql>) => statement.execute(db)

  // events.unpublished reads the key in its order.
  await run(sql`create table unpublished (
    connection ${key} not null, n ${int} not null, primary key (connection, n))`)
  await run(sql`insert into unpublished (connection, n) select connection, n from events where published_at is null`)
  await run(sql`drop index events_unpublished`)
  await run(sql`alter table events drop column published_at`)
}
