import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

/** Where the first poll of a connection begins, how far the later clock has been read, how far the clocks differ; spans that cannot be read. */
export async function reading(db: Kysely<Schema>, { int }: ColumnTypes): Promise<void> {
  const run = (statement: ReturnType<typeof sql>) => statement.execute(db)

  await run(sql`alter table connections add column first_seen_at ${int}`)
  await run(sql`alter table connections add column reached ${int}`)
  await run(sql`alter table connections add column clock_ahead_ms ${int}`)

  await run(sql`alter table quarantine add column span_from ${int}`)
  await run(sql`alter table quarantine add column span_to ${int}`)
  await run(sql`alter table quarantine add column tries ${int}`)
  await run(sql`alter table quarantine add column next_at ${int}`)
  // quarantine.spans, before each poll
  await run(sql`create index quarantine_spans on quarantine (connection) where span_from is not null`)
}
