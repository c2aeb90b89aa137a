import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

/** How many dead letters each destination lost to retention, and which version of its file each handler ran last. */
export async function expiryAndHandlers(db: Kysely<Schema>, { int, key, text }: ColumnTypes): Promise<void> {
  await sql`create table expired_dead_letters (
    destination ${key} primary key, count ${int} not null, last_at ${int} not null)`.execute(db)
  await sql`create table handler_files (id ${key} primary key, digest ${text} not null)`.execute(db)
}
