import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'

/** The newest entries of one connection are found through an index. */
export async function quarantineOfAConnection(db: Kysely<Schema>): Promise<void> {
  // quarantine.list
  await sql`create index quarantine_connection on quarantine (connection, n)`.execute(db)
}
