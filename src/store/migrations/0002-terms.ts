import { type Kysely, sql } from 'kysely'
import type { Schema } from '../schema.ts'
import type { ColumnTypes } from './migration.ts'

interface Before {
  readonly id: string
  readonly previous_secret: string
  readonly previous_valid_until: number | null
}

/** Claims of partitions have terms; endpoints have any number of former secrets instead of one. */
export async function terms(db: Kysely<Schema>, { int, text }: ColumnTypes): Promise<void> {
  await sql`alter table claims add column term ${int}`.execute(db)

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
