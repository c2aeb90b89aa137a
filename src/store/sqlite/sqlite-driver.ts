import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { AppError, type Intent, messageOf } from '../../lib/errors.ts'
import { rowsOfEach, whole } from '../sql/sql.ts'
import { createStatementCache } from './statement-cache.ts'

/**
 * Kysely on `node:sqlite`. Kysely lends the one connection to one caller at a time, and a transaction keeps it until its end, so
 * transactions never interleave. Statements run synchronously.
 */
export function sqliteKyselyDialect(database: DatabaseSync, file: string): Dialect {
  const connection = createConnection(database, file)
  const run = (statement: string) => {
    try {
      database.exec(statement)
    } catch (error) {
      throw sqliteError(error, file)
    }
  }
  const driver: Driver = {
    init: async () => {},
    acquireConnection: async () => connection,
    // Take the write lock at the start: of two readers that want to write later, one would fail.
    beginTransaction: async () => run('begin immediate'),
    commitTransaction: async () => run('commit'),
    rollbackTransaction: async () => {
      // Some errors (disk full) have rolled back already.
      if (database.isTransaction) run('rollback')
    },
    releaseConnection: async () => {},
    destroy: async () => database.close(),
  }
  return {
    createDriver: () => driver,
    createAdapter: () => new SqliteAdapter(),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: db => new SqliteIntrospector(db),
  }
}

/**
 * `Sql.relaxed` on SQLite: in WAL mode a commit with `synchronous=NORMAL` does not wait for the disk. The next commit with FULL, or a
 * checkpoint, writes all commits before it. No other caller has the connection meanwhile.
 */
export function relaxedTransactions<S>(database: DatabaseSync, db: Kysely<S>) {
  return <T>(work: (trx: Kysely<S>) => Promise<T>): Promise<T> =>
    db.connection().execute(async connection => {
      database.exec('pragma synchronous = normal')
      try {
        return await connection.transaction().execute(work)
      } finally {
        database.exec('pragma synchronous = full')
      }
    })
}

interface Prepared {
  readonly statement: StatementSync
  readonly returnsRows: boolean
}

function createConnection(database: DatabaseSync, file: string): DatabaseConnection {
  const statements = createStatementCache<Prepared>(256, text => {
    const statement = database.prepare(text)
    return { statement, returnsRows: statement.columns().length > 0 }
  })
  return {
    executeQuery: async <R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> => {
      try {
        const { statement, returnsRows } = statements.get(sql)
        const each = rowsOfEach(parameters[0])
        if (each) return { rows: [], numAffectedRows: runEach(statement, each) }
        const values = parameters.map(whole) as SQLInputValue[]
        if (returnsRows) return { rows: statement.all(...values) as R[] }
        return { rows: [], numAffectedRows: BigInt(statement.run(...values).changes) }
      } catch (error) {
        throw sqliteError(error, file)
      }
    },
    // biome-ignore lint/correctness/useYield: Kysely asks for the method; nothing here streams.
    async *streamQuery() {
      throw new AppError('Streaming is not supported by this driver; read page by page.', {
        code: 'store.no_streaming',
        intent: 'stop',
      })
    },
  }
}

function runEach(statement: StatementSync, rows: readonly (readonly unknown[])[]): bigint {
  let changes = 0
  for (const row of rows) changes += Number(statement.run(...(row.map(whole) as SQLInputValue[])).changes)
  return BigInt(changes)
}

interface Meaning {
  readonly code: string
  readonly intent: Intent
  readonly advice: string
}

const FULL: Meaning = { code: 'store.full', intent: 'retry', advice: 'free space on the disk' }

/** What SQLite's result codes mean to a caller (https://sqlite.org/rescode.html): the extended code if listed, else the primary one. */
const MEANINGS: Readonly<Record<number, Meaning>> = {
  // SQLITE_IOERR_SHMSIZE: the `-shm` file could not grow.
  4874: { ...FULL, advice: 'the disk is full or at a quota; free space on it' },
  5: { code: 'store.busy', intent: 'retry', advice: 'another program holds the database; close it' },
  8: { code: 'store.read_only', intent: 'fix', advice: 'make the file and its folder writable' },
  10: { code: 'store.io', intent: 'retry', advice: 'check the disk: it may be full or failing' },
  11: { code: 'store.corrupt', intent: 'fix', advice: 'restore a backup, or move the file away to start empty' },
  13: FULL,
  14: { code: 'store.cannot_open', intent: 'fix', advice: 'check that the folder exists and is readable and writable' },
  19: { code: 'store.conflict', intent: 'stop', advice: 'a row that must be unique or complete is not' },
  26: {
    code: 'store.corrupt',
    intent: 'fix',
    advice: 'it is no SQLite database; restore a backup, or move it away to start empty',
  },
}

/** An error of `node:sqlite` as an AppError that names the file. */
export function sqliteError(error: unknown, file: string): AppError {
  if (error instanceof AppError) return error
  const number = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
  const { code, intent, advice } = MEANINGS[number] ??
    MEANINGS[number & 0xff] ?? { code: 'store.failed', intent: 'stop', advice: 'see the cause' }
  return new AppError(`The store ${file} failed: ${messageOf(error)}; ${advice}.`, { code, intent, cause: error })
}
