import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

/** Windows with rows without an order id, which are read again. */
export async function unnamedWindows(db: Kysely<Schema>, { int, key }: ColumnTypes): Promise<void> {
  await sql`create table unnamed_windows (
    connection ${key} not null, from_at ${int} not null, to_at ${int} not null, tries ${int} not null,
    next_at ${int} not null, primary key (connection, from_at, to_at))`.execute(db)
}
