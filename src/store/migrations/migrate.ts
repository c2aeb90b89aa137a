import { type Kysely, sql } from 'kysely'
import { AppError } from '../../lib/errors.ts'
import type { Schema } from '../sql/tables.ts'
import { MIGRATIONS } from './list.ts'
import type { ColumnTypes } from './migration.ts'

export const SQLITE_TYPES: ColumnTypes = {
  serial: sql`integer primary key autoincrement`,
  int: sql`integer`,
  key: sql`text`,
  text: sql`text`,
}

/** Keys have a fixed collation: an index in the system's collation would break with the next libc. */
export const POSTGRES_TYPES: ColumnTypes = {
  serial: sql`bigint generated always as identity primary key`,
  int: sql`bigint`,
  key: sql`text collate "C"`,
  text: sql`text`,
}

/** The schema version of this program. */
export const SCHEMA_VERSION = MIGRATIONS.length

/** Rejects a newer schema before anything is touched. */
export function refuseNewer(version: number, where: string): void {
  if (version <= SCHEMA_VERSION) return
  throw new AppError(
    `The data in ${where} is of schema version ${version}; this program knows versions up to ${SCHEMA_VERSION}. ` +
      'Nothing was touched. Run the newer program again, or restore a backup made before the upgrade.',
    { code: 'store.schema_newer', intent: 'fix' },
  )
}

/** Brings the schema up to date. Call it in a transaction that excludes other processes. */
export async function migrate(
  db: Kysely<Schema>,
  options: { types: ColumnTypes; now: number; where: string },
): Promise<void> {
  await sql`create table if not exists schema_version (version ${options.types.int} primary key, at ${options.types.int} not null)`.execute(
    db,
  )
  const row = await db
    .selectFrom('schema_version')
    .select(eb => eb.fn.max('version').as('version'))
    .executeTakeFirst()
  const version = row?.version ?? 0
  refuseNewer(version, options.where)
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < version) continue
    await step(db, options.types)
    await db
      .insertInto('schema_version')
      .values({ version: index + 1, at: options.now })
      .execute()
  }
}
