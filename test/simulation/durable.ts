import { DatabaseSync } from 'node:sqlite'
import { Kysely, sql } from 'kysely'
import { migrate, SQLITE_TYPES } from '../../src/store/migrate.ts'
import type { Schema } from '../../src/store/schema.ts'
import { createSql, sqliteDialect } from '../../src/store/sql/sql.ts'
import { createSqlStore } from '../../src/store/sql-store.ts'
import { sqliteKyselyDialect } from '../../src/store/sqlite-driver.ts'
import type { Store } from '../../src/store/store.ts'

/** The real store on a database that outlives the simulated processes, and the questions the checks ask of it directly. */
export interface Durable {
  readonly store: Store
  query<T>(text: string, ...values: (string | number)[]): T[]
  /** What opening the embedded store does: whoever held a lease is dead. */
  freeLeases(): void
  close(): void
}

/** `databaseNow`: leases go by the database's own clock; null: by the caller's, as in the embedded store. */
export async function createDurable(databaseNow: (() => number) | null): Promise<Durable> {
  const database = new DatabaseSync(':memory:')
  const db = new Kysely<Schema>({ dialect: sqliteKyselyDialect(database, 'simulation') })
  await db.transaction().execute(trx => migrate(trx, { types: SQLITE_TYPES, now: 0, where: 'simulation' }))
  const dialect = databaseNow ? { ...sqliteDialect, leaseNow: () => sql<number>`${databaseNow()}` } : sqliteDialect
  const prepared = new Map<string, ReturnType<DatabaseSync['prepare']>>()
  return {
    store: createSqlStore({
      sql: createSql(db, dialect),
      describe: async () => 'simulated',
      close: async () => {},
    }),
    query: <T>(text: string, ...values: (string | number)[]) => {
      const statement = prepared.get(text) ?? database.prepare(text)
      prepared.set(text, statement)
      return statement.all(...values) as T[]
    },
    freeLeases: () => database.exec('update leases set owner = null, expires_at = 0'),
    close: () => database.close(),
  }
}
