import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

/** Handlers that are paused. Endpoints have a row of their own that says so. */
export async function pausedHandlers(db: Kysely<Schema>, { int, key }: ColumnTypes): Promise<void> {
  await sql`create table paused_handlers (id ${key} primary key, paused_at ${int} not null)`.execute(db)
}
