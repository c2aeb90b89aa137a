import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AppError, messageOf } from '../../lib/errors.ts'
import { sqliteError } from './sqlite-driver.ts'

/**
 * A restored history skips this many numbers: a client with a cursor of the API has seen numbers that the copy lacks, and must find
 * new events behind them, not among them.
 */
const NUMBERS_LEFT_OUT = 1_000_000_000

/**
 * Copies the store of a folder into a file, also while a process uses it: one read transaction, so the copy is of one moment and nobody
 * waits. The file gets its name only when it is complete, checked and on the disk. Returns its size in bytes.
 *
 * Errors: `store.no_store`, `store.backup_exists`, `store.backup_failed` (intent `fix`), and those of SQLite.
 */
export function backupSqlite(options: { folder: string; file: string }): number {
  const source = join(resolve(options.folder), 'orderwire.db')
  const file = resolve(options.file)
  if (!existsSync(source))
    throw new AppError(`There is no store at ${source}. Name its folder with ORDERWIRE_DATA.`, {
      code: 'store.no_store',
      intent: 'fix',
    })
  if (existsSync(file))
    throw new AppError(`${file} is there already; a backup overwrites nothing. Name another file.`, {
      code: 'store.backup_exists',
      intent: 'fix',
    })
  const part = `${file}.part`
  makeEmpty(part)
  try {
    copy(source, part)
    finish(part)
    sync(part)
    renameSync(part, file)
    sync(dirname(file))
    return statSync(file).size
  } finally {
    for (const left of [part, `${part}-journal`]) rmSync(left, { force: true })
  }
}

/** Only the owner may read the backup, from its creation on: it holds order data. */
function makeEmpty(part: string): void {
  try {
    rmSync(part, { force: true })
    closeSync(openSync(part, 'wx', 0o600))
  } catch (error) {
    throw new AppError(`${part} cannot be written (${messageOf(error)}). Name a file in a folder that can.`, {
      code: 'store.backup_failed',
      intent: 'fix',
      cause: error,
    })
  }
}

function copy(source: string, part: string): void {
  try {
    const database = new DatabaseSync(source, { timeout: 10_000, readOnly: true })
    try {
      database.prepare('vacuum into ?').run(part)
    } finally {
      database.close()
    }
  } catch (error) {
    throw sqliteError(error, source)
  }
}

function finish(part: string): void {
  try {
    const database = new DatabaseSync(part)
    try {
      const fault = database.prepare('pragma quick_check(1)').get()?.quick_check
      if (fault !== 'ok')
        throw new AppError(`The store is damaged (${fault}); the backup was not kept.`, {
          code: 'store.corrupt',
          intent: 'fix',
        })
      const { changes } = database
        .prepare(`update sqlite_sequence set seq = seq + ? where name = 'events'`)
        .run(NUMBERS_LEFT_OUT)
      if (changes === 0)
        database.prepare(`insert into sqlite_sequence (name, seq) values ('events', ?)`).run(NUMBERS_LEFT_OUT)
    } finally {
      database.close()
    }
  } catch (error) {
    throw sqliteError(error, part)
  }
}

function sync(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
