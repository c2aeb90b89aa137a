import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

/** Orders to be read by themselves have a table of their own instead of follows; reconciliations and backfills are kept. */
export async function readingAgain(db: Kysely<Schema>, { int, key, text }: ColumnTypes): Promise<void> {
  const run = (statement: ReturnType<typeof sql>) => statement.execute(db)

  await run(sql`create table order_reads (
    connection ${key} not null, order_id ${key} not null, user_id ${text}, announced ${int} not null,
    asked_at ${int} not null, next_at ${int} not null, seen ${text} not null, primary key (connection, order_id))`)
  // orderReads.upcoming, orderReads.due
  await run(sql`create index order_reads_next on order_reads (connection, next_at)`)
  // Where the vendor lists its orders, a follow was a single reading that a process without the role asked for.
  const readings = sql`connection in (select id from connections where vendor <> 'tuya')`
  await run(sql`insert into order_reads (connection, order_id, user_id, announced, asked_at, next_at, seen)
    select connection, id, user_id, 0, next_at, next_at, '' from follows
    where ${readings} and next_at < ${sql.lit(Number.MAX_SAFE_INTEGER)}`)
  await run(sql`delete from follows where ${readings}`)

  await run(sql`create table reconciliations (
    connection ${key} primary key, origin ${int} not null, next_at ${int} not null, running ${text}, last_at ${int},
    last_orders ${int}, last_events ${int}, error ${text})`)

  await run(sql`create table backfills (
    id ${key} primary key, connection ${key} not null, since ${int} not null, until ${int}, asked_at ${int} not null,
    progress ${text}, ended_at ${int}, error ${text})`)
  // backfills.next, backfills.list
  await run(sql`create index backfills_connection on backfills (connection, asked_at)`)
}
