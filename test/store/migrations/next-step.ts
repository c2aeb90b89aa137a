import { sql } from 'kysely'
import { MIGRATIONS } from '../../../src/store/migrations/list.ts'
import type { Migration } from '../../../src/store/migrations/migration.ts'

/** A step of a later version, of all kinds of statements: to be imported before what reads the list. */
const next: Migration = async (db, { int, text }) => {
  await sql`create table notes (n ${int} primary key, about ${text})`.execute(db)
  await sql`alter table offsets add column note ${text}`.execute(db)
  await sql`update offsets set note = group_id`.execute(db)
  await sql`insert into notes (n, about) select position, group_id from offsets`.execute(db)
  await sql`drop table poll_requests`.execute(db)
  await sql`create index notes_about on notes (about)`.execute(db)
}

const steps = MIGRATIONS as Migration[]
/** The version that the program itself makes. */
export const PRESENT = steps.length
steps.push(next)

/** What a program does that knows no later version. */
export async function upTo<T>(version: number, run: () => Promise<T>): Promise<T> {
  const later = steps.splice(version)
  return run().finally(() => steps.push(...later))
}
