import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

/** Beside the position of a group: what is done beyond it, so that a takeover repeats less. */
export async function ahead(db: Kysely<Schema>, { text }: ColumnTypes): Promise<void> {
  await sql`alter table offsets add column ahead ${text}`.execute(db)
}
