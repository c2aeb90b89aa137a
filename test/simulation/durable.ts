import { DatabaseSync } from 'node:sqlite'
import { type CompiledQuery, type DatabaseConnection, type Dialect, Kysely, sql } from 'kysely'
import { migrate, SQLITE_TYPES } from '../../src/store/migrate.ts'
import { postgresError } from '../../src/store/postgres-errors.ts'
import type { Schema } from '../../src/store/schema.ts'
import { createSql, sqliteDialect } from '../../src/store/sql/sql.ts'
import { createSqlStore } from '../../src/store/sql-store.ts'
import { sqliteError, sqliteKyselyDialect } from '../../src/store/sqlite-driver.ts'
import type { Store } from '../../src/store/store.ts'

/** The real store on a database that outlives the simulated processes, and the questions the checks ask of it directly. */
export interface Durable {
  readonly store: Store
  /** No room on the disk: each write statement fails at these odds, as the database would say it; reads go on. */
  readonly disk: Disk
  query<T>(text: string, ...values: (string | number)[]): T[]
  /** What opening the embedded store does: whoever held a lease is dead. */
  freeLeases(): void
  close(): void
}

export interface Disk {
  full: number
}

/** `databaseNow`: leases go by the database's own clock, and it speaks as PostgreSQL does; null: by the caller's, as in the embedded store. */
export async function createDurable(
  databaseNow: (() => number) | null,
  chance: (probability: number) => boolean,
): Promise<Durable> {
  const database = new DatabaseSync(':memory:')
  const disk: Disk = { full: 0 }
  const dialect = databaseNow ? { ...sqliteDialect, leaseNow: () => sql<number>`${databaseNow()}` } : sqliteDialect
  const db = new Kysely<Schema>({
    dialect: onDisk(sqliteKyselyDialect(database, 'simulation'), text => {
      if (disk.full === 0 || !isWrite(text) || !chance(disk.full)) return
      if (databaseNow) throw postgresError(noRoom('53100'), 'simulation')
      // Some such errors end the transaction as well.
      if (database.isTransaction && chance(0.5)) database.exec('rollback')
      throw sqliteError(noRoom('ERR_SQLITE_ERROR'), 'simulation')
    }),
  })
  await db.transaction().execute(trx => migrate(trx, { types: SQLITE_TYPES, now: 0, where: 'simulation' }))
  const prepared = new Map<string, ReturnType<DatabaseSync['prepare']>>()
  return {
    store: createSqlStore({
      sql: createSql(db, dialect),
      describe: async () => 'simulated',
      close: async () => {},
    }),
    disk,
    query: <T>(text: string, ...values: (string | number)[]) => {
      const statement = prepared.get(text) ?? database.prepare(text)
      prepared.set(text, statement)
      return statement.all(...values) as T[]
    },
    freeLeases: () => database.exec('update leases set owner = null, expires_at = 0'),
    close: () => database.close(),
  }
}

const isWrite = (text: string): boolean => /^\s*(insert|update|delete|commit)\b/i.test(text)

/** What SQLite (13) and PostgreSQL (53100) say when there is no room. */
const noRoom = (code: string): Error =>
  Object.assign(new Error('database or disk is full'), { code, errcode: 13, severity: 'ERROR' })

/** The same database, each statement and each commit of which may be refused first. */
function onDisk(dialect: Dialect, refuse: (text: string) => void): Dialect {
  return {
    ...dialect,
    createDriver() {
      const driver = dialect.createDriver()
      const checked = new WeakMap<DatabaseConnection, DatabaseConnection>()
      const check = (connection: DatabaseConnection): DatabaseConnection => {
        const known = checked.get(connection)
        if (known) return known
        const made: DatabaseConnection = {
          executeQuery: async <R>(query: CompiledQuery) => {
            refuse(query.sql)
            return connection.executeQuery<R>(query)
          },
          streamQuery: connection.streamQuery,
        }
        checked.set(connection, made)
        return made
      }
      return {
        init: () => driver.init(),
        acquireConnection: async () => check(await driver.acquireConnection()),
        beginTransaction: (connection, settings) => driver.beginTransaction(connection, settings),
        commitTransaction: async connection => {
          refuse('commit')
          await driver.commitTransaction(connection)
        },
        rollbackTransaction: connection => driver.rollbackTransaction(connection),
        releaseConnection: connection => driver.releaseConnection(connection),
        destroy: () => driver.destroy(),
      }
    },
  }
}
