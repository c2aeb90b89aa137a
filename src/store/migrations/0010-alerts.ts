import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

/** What was announced to receivers of alerts, and the notices that wait to be sent; what the event log refuses of a connection. */
export async function alerts(db: Kysely<Schema>, { serial, int, key, text }: ColumnTypes): Promise<void> {
  const run = (statement: ReturnType<typeof sql>) => statement.execute(db)

  await run(sql`alter table connections add column refused ${text}`)

  await run(sql`create table alert_states (
    alert ${key} not null, subject ${key} not null, condition ${text}, since ${int}, announced ${text},
    announced_at ${int}, mark ${int} not null, primary key (alert, subject))`)

  await run(sql`create table alert_notices (
    n ${serial}, alert ${key} not null, subject ${key} not null, body ${text} not null, created_at ${int} not null,
    next_at ${int} not null, attempts ${int} not null)`)
  // alerts.due
  await run(sql`create index alert_notices_subject on alert_notices (alert, subject, n)`)
}
