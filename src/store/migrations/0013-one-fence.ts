import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

/** Claims of partitions become leases, and offsets are written under a lease: one rule says whose writes count. */
export async function oneFence(db: Kysely<Schema>, { text }: ColumnTypes): Promise<void> {
  await sql`
    insert into leases (name, owner, epoch, expires_at)
    select 'partition/' || group_id || '/' || cast(partition as ${text}), group_id, number, 0 from claims`.execute(db)
  await sql`drop table claims`.execute(db)
  await sql`alter table offsets drop column epoch`.execute(db)
}
