import {
  Kysely,
  PostgresDialect,
  type PostgresPool,
  type PostgresPoolClient,
  type PostgresQueryResult,
  sql,
} from 'kysely'
import pg from 'pg'
import type { Clock } from '../clock.ts'
import { migrate, POSTGRES_TYPES, SCHEMA_VERSION } from './migrate.ts'
import { placeOf, postgresError, sqlState } from './postgres-errors.ts'
import type { Schema } from './schema.ts'
import { ADVISORY_CLASS, ADVISORY_MIGRATIONS, createSql, postgresDialect, whole } from './sql/sql.ts'
import { createSqlStore } from './sql-store.ts'
import type { Store } from './store.ts'

const INT8 = 20

/**
 * The store on PostgreSQL. Several processes may open it at once; migrations wait for each other. A lost connection costs the
 * calls that were on it (intent `retry`); the next call gets a new one.
 *
 * Errors: `store.unreachable` (intent `retry`), `store.refused`, `store.schema_newer`, `store.bad_url` (intent `fix`).
 */
export async function openPostgres(options: { url: string; clock: Clock; poolSize?: number }): Promise<Store> {
  const place = placeOf(options.url)
  await migrateAlone(options.url, place, options.clock.now())
  const db = connect(options.url, place, { size: options.poolSize ?? 10, timeoutMs: 30_000 })
  return createSqlStore({
    sql: createSql(db, postgresDialect),
    describe: async () => {
      const { rows } = await sql<{ server_version: string }>`show server_version`.execute(db)
      return `PostgreSQL ${rows[0]?.server_version}, schema ${SCHEMA_VERSION}, ${place}`
    },
    close: () => db.destroy(),
  })
}

/** On a connection of its own without time limits: waiting for another process's migration may take long, and so may a migration. */
async function migrateAlone(url: string, place: string, now: number): Promise<void> {
  const db = connect(url, place, { size: 1, timeoutMs: 0 })
  try {
    await db.transaction().execute(async trx => {
      await sql`select pg_advisory_xact_lock(${sql.lit(ADVISORY_CLASS)}, ${sql.lit(ADVISORY_MIGRATIONS)})`.execute(trx)
      await migrate(trx, { types: POSTGRES_TYPES, now, where: `PostgreSQL at ${place}` })
    })
  } finally {
    await db.destroy()
  }
}

interface Limits {
  readonly size: number
  /** The longest a statement may take; 0: any time. */
  readonly timeoutMs: number
}

function connect(url: string, place: string, limits: Limits): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: createPool(url, place, limits) }) })
}

function createPool(url: string, place: string, { size, timeoutMs }: Limits): PostgresPool {
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
    application_name: 'orderwire',
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    statement_timeout: timeoutMs,
    // Ours, for a server that is no longer there to keep its own.
    ...(timeoutMs > 0 && { query_timeout: timeoutMs + 10_000 }),
    idle_in_transaction_session_timeout: 60_000,
    types: { getTypeParser: (oid, format) => (oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) },
  })
  // A connection that breaks while nobody waits for an answer on it: the pool replaces an idle one, and the next statement on
  // one in use rejects.
  pool.on('error', () => {})
  pool.on('connect', client => client.on('error', () => {}))
  return {
    options: pool.options,
    end: () => pool.end(),
    connect: async () => {
      const client = await pool.connect().catch(error => {
        throw postgresError(error, place)
      })
      return guard(client, place)
    },
  }
}

/** A pool's client whose errors are ours, and which does not go back into the pool after its connection failed. */
function guard(client: pg.PoolClient, place: string): PostgresPoolClient {
  let broken = false
  const query = async <R>(text: string, values: readonly unknown[]) => {
    try {
      return (await client.query(text, values.map(whole))) as unknown as PostgresQueryResult<R>
    } catch (error) {
      broken ||= sqlState(error) === null
      throw postgresError(error, place)
    }
  }
  return {
    query: query as PostgresPoolClient['query'],
    release: destroy => client.release(destroy || broken),
  }
}
