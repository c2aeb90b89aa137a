import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

/** Who is signed in to the console, and the links that open one endpoint to its subscriber. */
export async function sessions(db: Kysely<Schema>, { int, key, text }: ColumnTypes): Promise<void> {
  const run = (statement: ReturnType<typeof sql>) => statement.execute(db)

  await run(sql`create table sessions (
    digest ${key} primary key, key_digest ${key}, endpoint ${key}, may ${text},
    created_at ${int} not null, seen_at ${int} not null, expires_at ${int} not null)`)
  // sessions.prune
  await run(sql`create index sessions_expires on sessions (expires_at)`)
  // sessions.removeOf
  await run(sql`create index sessions_endpoint on sessions (endpoint) where endpoint is not null`)
}
