import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient, sql } from 'kysely'
import type { Clock } from '../../lib/clock.ts'
import { type DatabaseAddress, parseDatabaseUrl } from '../../lib/database-url.ts'
import { AppError } from '../../lib/errors.ts'
import { migrate, POSTGRES_TYPES, SCHEMA_VERSION } from '../migrations/migrate.ts'
import { ADVISORY_CLASS, ADVISORY_MIGRATIONS, createSql, postgresDialect, whole } from '../sql/sql.ts'
import { createSqlStore } from '../sql/sql-store.ts'
import type { Schema } from '../sql/tables.ts'
import type { Store } from '../store.ts'
import { concernsAll } from './postgres-errors.ts'
import { openSession, type PostgresSession, type Servers, serversOf } from './postgres-session.ts'
import { createSessionPool, type SessionPool } from './session-pool.ts'

const [WAIT_MS, IDLE_MS, AGE_MS] = [15_000, 60_000, 1_800_000]
const STATEMENT_MS = 30_000

/**
 * The store on PostgreSQL, directly or behind a pooler: no session state outlives a transaction. Several processes may open it at once;
 * migrations wait for each other. A lost connection fails the calls on it (intent `retry`); the next call gets a new one, on the first
 * host that accepts writes.
 *
 * Errors: `store.unreachable`, `store.read_only` (intent `retry`), `store.refused`, `store.encoding`, `store.schema_newer`,
 * `store.bad_url` (intent `fix`).
 */
export async function openPostgres(options: {
  url: string
  clock: Clock
  poolSize?: number
  /** How old a session may become, milliseconds. */
  sessionAgeMs?: number
}): Promise<Store> {
  const { clock } = options
  const address = parseDatabaseUrl(options.url)
  const servers = serversOf(clock)
  await migrateAlone(address, clock, servers)
  const pool = poolOf(address, clock, servers, {
    size: options.poolSize ?? 10,
    timeoutMs: STATEMENT_MS,
    ageMs: options.sessionAgeMs ?? AGE_MS,
  })
  const db = connect(pool)
  return createSqlStore({
    sql: createSql(db, postgresDialect),
    describe: async () => {
      const { rows } = await sql<{ server_version: string }>`show server_version`.execute(db)
      return `PostgreSQL ${rows[0]?.server_version}, schema ${SCHEMA_VERSION}, ${address.place}`
    },
    size: async () => {
      const { rows } = await sql<{ size: number }>`select pg_database_size(current_database()) as size`.execute(db)
      return rows[0]?.size ?? 0
    },
    close: () => db.destroy(),
  })
}

/** Uses its own session without time limits: a migration may take long, and so may waiting for one of another process. */
async function migrateAlone(address: DatabaseAddress, clock: Clock, servers: Servers): Promise<void> {
  const db = connect(poolOf(address, clock, servers, { size: 1, timeoutMs: 0, ageMs: AGE_MS }))
  try {
    await assertEncoding(db, address.place)
    await db.transaction().execute(async trx => {
      await sql`select pg_advisory_xact_lock(${sql.lit(ADVISORY_CLASS)}, ${sql.lit(ADVISORY_MIGRATIONS)})`.execute(trx)
      await migrate(trx, { types: POSTGRES_TYPES, now: clock.now(), where: `PostgreSQL at ${address.place}` })
    })
  } finally {
    await db.destroy()
  }
}

/** Other encodings cannot store every title and reason, so single orders would fail for ever. */
async function assertEncoding(db: Kysely<Schema>, place: string): Promise<void> {
  const { rows } = await sql<{ name: string; encoding: string }>`
    select current_database() as name, pg_encoding_to_char(encoding) as encoding
    from pg_database where datname = current_database()`.execute(db)
  const [found] = rows
  if (!found || found.encoding === 'UTF8') return
  throw new AppError(
    `The database "${found.name}" in PostgreSQL at ${place} has the encoding ${found.encoding}; expected UTF8. Nothing was touched. ` +
      `An encoding cannot be changed: create another database (CREATE DATABASE orderwire ENCODING 'UTF8' TEMPLATE template0) and name it in DATABASE_URL.`,
    { code: 'store.encoding', intent: 'fix' },
  )
}

interface Limits {
  readonly size: number
  /** The longest a statement may take; 0: any time. */
  readonly timeoutMs: number
  readonly ageMs: number
}

function poolOf(address: DatabaseAddress, clock: Clock, servers: Servers, { size, timeoutMs, ageMs }: Limits) {
  return createSessionPool({
    open: () => openSession(address, { timeoutMs }, clock, servers),
    clock,
    limits: {
      size,
      ageMs,
      idleMs: IDLE_MS,
      waitMs: Math.max(WAIT_MS, address.hosts.length * address.connectTimeoutMs),
    },
    place: address.place,
  })
}

function connect(sessions: SessionPool<PostgresSession>): Kysely<Schema> {
  const pool: PostgresPool = {
    options: {},
    end: () => sessions.end(),
    connect: async () => clientOf(await sessions.take(), sessions),
  }
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) })
}

/** A session lent to one caller. A session that failed, or has an open transaction, does not go back into the pool. */
function clientOf(session: PostgresSession, sessions: SessionPool<PostgresSession>): PostgresPoolClient {
  const query = async (text: string, values: readonly unknown[] = []) => {
    try {
      return await session.query(text, values.map(whole))
    } catch (error) {
      if (session.gone || concernsAll(error)) sessions.renew()
      throw error
    }
  }
  return {
    query: query as unknown as PostgresPoolClient['query'],
    release: destroy => sessions.giveBack(session, destroy === true || !session.alive || session.inTransaction),
  }
}
