import { type Kysely, sql } from 'kysely'
import { storable } from '../sql/sql.ts'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

const CHUNK = 500

/** Orders are found by their number or id, attempts know their origin, dead letters and quarantine are counted through an index. */
export async function finding(db: Kysely<Schema>, { key, text }: ColumnTypes): Promise<void> {
  const run = (statement: ReturnType<typeof sql>) => statement.execute(db)

  await run(sql`alter table orders add column order_number ${key}`)
  await fillNumbers(db)
  // orders.find, orders.idsOfNumber
  await run(
    sql`create index orders_number on orders (order_number, connection, order_id) where order_number is not null`,
  )
  await run(sql`create index orders_id on orders (order_id, connection)`)

  await run(sql`alter table attempts add column origin ${text}`)
  // deadLetters.groups
  await run(sql`create index dead_letters_at on dead_letters (at)`)
  // quarantine.summary
  await run(sql`create index quarantine_summary on quarantine (connection, at, n)`)
}

/** Of the orders that are there, in chunks. Not by the databases' own JSON functions: these refuse texts that a snapshot may hold. */
async function fillNumbers(db: Kysely<Schema>): Promise<void> {
  for (let after = { connection: '', order_id: '' }; ; ) {
    const { rows } = await sql<{ connection: string; order_id: string; snapshot: string }>`
      select connection, order_id, snapshot from orders
      where (connection, order_id) > (${after.connection}, ${after.order_id})
      order by connection, order_id limit ${CHUNK}`.execute(db)
    const numbered = rows.flatMap(({ connection, order_id, snapshot }) => {
      const { orderNumber }: { orderNumber?: unknown } = JSON.parse(snapshot)
      return typeof orderNumber === 'string' ? [sql`(${connection}, ${order_id}, ${storable(orderNumber)})`] : []
    })
    if (numbered.length > 0)
      await sql`
        update orders set order_number = found.column3 from (values ${sql.join(numbered)}) as found
        where orders.connection = found.column1 and orders.order_id = found.column2`.execute(db)
    const last = rows.at(-1)
    if (!last || rows.length < CHUNK) return
    after = last
  }
}
