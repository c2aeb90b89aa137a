import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

/** Connections of one vendor project share a token, encrypted, and a pace. */
export async function projects(db: Kysely<Schema>, { int, key, text }: ColumnTypes): Promise<void> {
  await sql`create table projects (
    id ${key} primary key, token ${text}, version ${int} not null, booked_until ${int} not null)`.execute(db)
}
