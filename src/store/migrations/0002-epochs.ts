import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

interface Before {
  readonly id: string
  readonly previous_secret: string
  readonly previous_valid_until: number | null
}

/** Positions and claims of partitions count under the latest lease only; endpoints have any number of former secrets instead of one. */
export async function epochs(db: Kysely<Schema>, { int, key, text }: ColumnTypes): Promise<void> {
  // Made anew, as some stores of the first version have the column already.
  await sql`create table positions (
    group_id ${key} not null, partition ${int} not null, position ${int} not null, epoch ${int} not null,
    primary key (group_id, partition))`.execute(db)
  await sql`insert into positions select group_id, partition, position, 0 from offsets`.execute(db)
  await sql`drop table offsets`.execute(db)
  await sql`alter table positions rename to offsets`.execute(db)

  await sql`alter table claims rename column epoch to number`.execute(db)
  await sql`alter table claims add column epoch ${int}`.execute(db)

  await sql`alter table endpoints add column former_secrets ${text} not null default '[]'`.execute(db)
  const { rows } = await sql<Before>`
    select id, previous_secret, previous_valid_until from endpoints where previous_secret is not null`.execute(db)
  for (const { id, previous_secret: secret, previous_valid_until: until } of rows)
    await sql`update endpoints set former_secrets = ${JSON.stringify([{ secret, until: until ?? 0 }])} where id = ${id}`.execute(
      db,
    )
  await sql`alter table endpoints drop column previous_secret`.execute(db)
  await sql`alter table endpoints drop column previous_valid_until`.execute(db)
}
