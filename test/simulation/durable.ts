import { DatabaseSync } from 'node:sqlite'
import { type CompiledQuery, type DatabaseConnection, type Dialect, Kysely, sql } from 'kysely'
import { migrate, SQLITE_TYPES } from '../../src/store/migrations/migrate.ts'
import { postgresError } from '../../src/store/postgres/postgres-errors.ts'
import { createSql, type Sql, sqliteDialect } from '../../src/store/sql/sql.ts'
import { createSqlStore } from '../../src/store/sql/sql-store.ts'
import type { Schema } from '../../src/store/sql/tables.ts'
import { sqliteError, sqliteKyselyDialect } from '../../src/store/sqlite/sqlite-driver.ts'
import type { Store } from '../../src/store/store.ts'

/** The real store on a database that outlives the simulated processes, and the questions the checks ask of it directly. */
export interface Durable {
  /** Another one after a power failure. */
  readonly store: Store
  /** No room on the disk: each write statement fails at these odds, as the database would say it; reads go on. */
  readonly disk: Disk
  query<T>(text: string, ...values: (string | number)[]): T[]
  /** What opening the embedded store does: whoever held a lease is dead. */
  freeLeases(): void
  /** Undoes what was committed without waiting for the disk since the last commit that did. To be called when nothing runs on it. */
  powerFails(): void
  close(): void
}

export interface Disk {
  full: number
}

interface Opened {
  readonly database: DatabaseSync
  readonly store: Store
  readonly prepared: Map<string, ReturnType<DatabaseSync['prepare']>>
}

/**
 * `databaseNow`: leases go by the database's own clock, and it speaks as PostgreSQL does; null: by the caller's, as in the embedded store.
 * `power`: the power may fail.
 */
export async function createDurable(deps: {
  databaseNow: (() => number) | null
  chance: (probability: number) => boolean
  power: boolean
}): Promise<Durable> {
  const { databaseNow, chance } = deps
  const disk: Disk = { full: 0 }
  const dialect = databaseNow ? { ...sqliteDialect, leaseNow: () => sql<number>`${databaseNow()}` } : sqliteDialect
  const first = fromBytes(await emptyDatabase())
  let platter = deps.power ? createPlatter(first) : null
  let opened = open(first)

  function open(database: DatabaseSync): Opened {
    let waits = true
    const mayFail = (text: string) => {
      if (disk.full === 0 || !isWrite(text) || !chance(disk.full)) return
      if (databaseNow) throw postgresError(noRoom('53100'), 'simulation')
      // Some such errors end the transaction as well.
      if (database.isTransaction && chance(0.5)) database.exec('rollback')
      throw sqliteError(noRoom('ERR_SQLITE_ERROR'), 'simulation')
    }
    const db = kyselyOn(database, mayFail, () => waits && platter?.write())
    const relaxed: Sql['relaxed'] = work =>
      db.connection().execute(async connection => {
        waits = false
        try {
          return await connection.transaction().execute(work)
        } finally {
          waits = true
        }
      })
    const store = createSqlStore({
      sql: createSql(db, dialect, relaxed),
      describe: async () => 'simulated',
      size: async () => 0,
      close: async () => {},
    })
    return { database, store, prepared: new Map() }
  }

  return {
    get store() {
      return opened.store
    },
    disk,
    query: <T>(text: string, ...values: (string | number)[]) => {
      const statement = opened.prepared.get(text) ?? opened.database.prepare(text)
      opened.prepared.set(text, statement)
      return statement.all(...values) as T[]
    },
    freeLeases: () => {
      opened.database.exec('update leases set owner = null, expires_at = 0')
      platter?.write()
    },
    powerFails() {
      if (!platter) return
      const kept = platter.read()
      opened.database.close()
      platter = createPlatter(kept)
      opened = open(kept)
    },
    close() {
      opened.database.close()
      platter?.close()
    },
  }
}

let migrated: Promise<Uint8Array> | undefined

/** The bytes of a database with every table and no row. The migrations take longer than many a run, so a thread runs them once. */
function emptyDatabase(): Promise<Uint8Array> {
  migrated ??= (async () => {
    const database = new DatabaseSync(':memory:')
    await kyselyOn(database, () => {})
      .transaction()
      .execute(trx => migrate(trx, { types: SQLITE_TYPES, now: 0, where: 'simulation' }))
    rememberRemoved(database)
    const bytes = database.serialize()
    database.close()
    return bytes
  })()
  return migrated
}

/** The view `history`: all events there ever were, each at its first place, also those that retention has removed. */
function rememberRemoved(database: DatabaseSync): void {
  const columns = database.prepare('select name from pragma_table_info(?)').all('events')
  const names = columns.map(({ name }) => String(name))
  database.exec(`
    create table removed_events as select * from events where 0;
    create index removed_by_id on removed_events (id);
    create index removed_by_order on removed_events (order_id);
    create trigger removed after delete on events begin
      insert into removed_events (${names.join(', ')}) select ${names.map(name => `old.${name}`).join(', ')}
        where not exists (select 1 from removed_events where id = old.id);
    end;
    create view history as
      select * from removed_events union all select * from events where id not in (select id from removed_events)`)
}

/** What of a database has reached the disk. */
function createPlatter(database: DatabaseSync) {
  const kept = copyOf(database)
  let session = database.createSession()
  return {
    /** All that was committed is on the disk now. */
    write(): void {
      if (database.isTransaction) return
      const changes = session.changeset()
      if (changes.length === 0) return
      kept.applyChangeset(changes)
      session.close()
      session = database.createSession()
    },
    read: (): DatabaseSync => copyOf(kept),
    close: () => kept.close(),
  }
}

const copyOf = (database: DatabaseSync): DatabaseSync => fromBytes(database.serialize())

function fromBytes(bytes: Uint8Array): DatabaseSync {
  const database = new DatabaseSync(':memory:')
  database.deserialize(bytes)
  return database
}

const kyselyOn = (database: DatabaseSync, refuse: (text: string) => void, written: () => void = () => {}) =>
  new Kysely<Schema>({ dialect: onDisk(sqliteKyselyDialect(database, 'simulation'), refuse, written) })

const isWrite = (text: string): boolean => /^\s*(insert|update|delete|commit)\b/i.test(text)

/** What SQLite (13) and PostgreSQL (53100) say when there is no room. */
const noRoom = (code: string): Error =>
  Object.assign(new Error('database or disk is full'), { code, errcode: 13, severity: 'ERROR' })

/** The same database, each statement and each commit of which may be refused first; `written` is told of every write and commit. */
function onDisk(dialect: Dialect, refuse: (text: string) => void, written: () => void): Dialect {
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
            const result = await connection.executeQuery<R>(query)
            if (isWrite(query.sql)) written()
            return result
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
          written()
        },
        rollbackTransaction: connection => driver.rollbackTransaction(connection),
        releaseConnection: connection => driver.releaseConnection(connection),
        destroy: () => driver.destroy(),
      }
    },
  }
}
