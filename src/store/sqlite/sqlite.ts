import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Kysely } from 'kysely'
import type { Clock } from '../../lib/clock.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { migrate, refuseNewer, SCHEMA_VERSION, SQLITE_TYPES } from '../migrations/migrate.ts'
import { createSql, sqliteDialect } from '../sql/sql.ts'
import { createSqlStore } from '../sql/sql-store.ts'
import type { Schema } from '../sql/tables.ts'
import type { Store } from '../store.ts'
import { takeFolder } from './folder-lock.ts'
import { relaxedTransactions, sqliteError, sqliteKyselyDialect } from './sqlite-driver.ts'

/**
 * The embedded store: `orderwire.db` in a folder that this process alone uses until it closes the store or ends. Every commit is on the
 * disk when it resolves (WAL, `synchronous=FULL`), except relaxed ones (`Sql.relaxed`).
 *
 * Errors: `store.folder_in_use`, `store.folder_unusable`, `store.schema_newer`, `store.corrupt`, all with intent `fix`.
 */
export async function openSqlite(options: { folder: string; clock: Clock }): Promise<Store> {
  const folder = resolve(options.folder)
  const file = join(folder, 'orderwire.db')
  makeFolder(folder)
  const lock = takeFolder(folder)
  try {
    const database = openDatabase(file)
    try {
      const db = new Kysely<Schema>({ dialect: sqliteKyselyDialect(database, file) })
      const now = options.clock.now()
      await db.transaction().execute(trx => migrate(trx, { types: SQLITE_TYPES, now, where: file }))
      // The folder is ours alone, so every former lease holder is dead: free its leases now.
      await db.updateTable('leases').set({ owner: null, expires_at: 0 }).execute()
      return createSqlStore({
        sql: createSql(db, sqliteDialect, relaxedTransactions(database, db)),
        describe: async () => {
          const row = database.prepare('select sqlite_version() as version').get()
          return `SQLite ${row?.version}, schema ${SCHEMA_VERSION}, ${file}`
        },
        size: async () => sizeOf(file) + sizeOf(`${file}-wal`),
        close: async () => {
          try {
            // Waits for the caller that has the connection now.
            await db.connection().execute(async () => {})
            await db.destroy()
          } finally {
            lock.release()
          }
        },
      })
    } catch (error) {
      database.close()
      throw error
    }
  } catch (error) {
    lock.release()
    throw sqliteError(error, file)
  }
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0

/** Without the `recursive` option: Node 24 never returns from it where no folder can be made (below /proc, for example). */
function makePath(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return
  const parent = dirname(folder)
  if (parent !== folder) makePath(parent)
  mkdirSync(folder, { mode: 0o700 })
}

function makeFolder(folder: string): void {
  try {
    makePath(folder)
  } catch (error) {
    throw new AppError(
      `The data folder ${folder} cannot be made or is no folder (${messageOf(error)}). ` +
        'Make it a folder this user may write to, or name another with ORDERWIRE_DATA.',
      { code: 'store.folder_unusable', intent: 'fix', cause: error },
    )
  }
}

/** SQLite gives its side files the mode of the database file; it holds order data, so only its owner reads it. */
function makeFile(file: string): void {
  try {
    closeSync(openSync(file, 'a', 0o600))
  } catch (error) {
    throw new AppError(
      `The store ${file} cannot be opened (${messageOf(error)}). Make it a file this user may read and write.`,
      { code: 'store.cannot_open', intent: 'fix', cause: error },
    )
  }
}

function openDatabase(file: string): DatabaseSync {
  makeFile(file)
  const database = new DatabaseSync(file, { timeout: 2000, enableForeignKeyConstraints: false })
  try {
    // Check the version first: even the switch to WAL would write into the file of a newer program.
    refuseNewer(versionOf(database), file)
    database.exec(`
      pragma journal_mode = wal;
      pragma synchronous = full;
      pragma wal_autocheckpoint = 4000;
      pragma journal_size_limit = 67108864;
      pragma cache_size = -32000;
      pragma temp_store = memory;
    `)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function versionOf(database: DatabaseSync): number {
  if (!database.prepare(`select 1 from sqlite_master where name = 'schema_version'`).get()) return 0
  return Number(database.prepare('select max(version) as version from schema_version').get()?.version ?? 0)
}
