import { CompiledQuery, type Kysely, type RawBuilder, sql } from 'kysely'
import { AppError } from '../../lib/errors.ts'
import type { Schema } from './tables.ts'

/** What the parts of the store share: the database, and the few things in which the two dialects differ. */
export interface Sql {
  readonly db: Kysely<Schema>
  readonly dialect: SqlDialect
  /** Runs `work` in one transaction. A deadlock runs it again, so `work` must change nothing but the database. */
  transaction<T>(work: (trx: Kysely<Schema>) => Promise<T>): Promise<T>
  /**
   * As `transaction`, but does not wait for the disk; for work that may be done twice. A crash of the process loses nothing. A power
   * failure may undo it together with everything after it, and nothing before it.
   */
  relaxed<T>(work: (trx: Kysely<Schema>) => Promise<T>): Promise<T>
}

type ColumnKind = 'text' | 'int'
type Value = string | number | null

interface Insert {
  readonly table: string
  readonly columns: Readonly<Record<string, ColumnKind>>
  /** What stands behind the rows, such as `on conflict …`. */
  readonly conflict?: string
  /** The table `unpublished` gets the added rows as well (`connection` and `n`). Not together with `conflict`. */
  readonly also?: 'unpublished'
  /** As `lockHistory` before the rows are added. */
  readonly locksHistory?: boolean
}

const EACH = Symbol('each')

/** The only parameter of a statement that SQLite is to run for each of these rows. */
export interface EachRow {
  readonly [EACH]: readonly (readonly Value[])[]
}
export const rowsOfEach = (parameter: unknown): readonly (readonly Value[])[] | null =>
  typeof parameter === 'object' && parameter !== null && EACH in parameter ? (parameter as EachRow)[EACH] : null

/**
 * An array is one parameter: the text of a statement stays the same and is prepared once, and a page of 250 rows is one statement.
 */
export interface SqlDialect {
  readonly kind: 'sqlite' | 'postgres'
  /** The rows as a table `alias` with the columns named, and `i`, their place. */
  rows(
    alias: string,
    columns: Readonly<Record<string, ColumnKind>>,
    rows: readonly (readonly Value[])[],
  ): RawBuilder<unknown>
  /** Adds rows in the order given. */
  insert(db: Kysely<Schema>, into: Insert, rows: readonly (readonly Value[])[]): Promise<void>
  /** `subject`, a text unless said otherwise, is one of these values. */
  among(subject: RawBuilder<unknown>, values: readonly Value[], kind?: ColumnKind): RawBuilder<boolean>
  /** After a select: locks its rows against other writers until the transaction ends. */
  readonly forUpdate: RawBuilder<unknown>
  /** As `forUpdate`, but skips rows that another transaction has locked. */
  readonly forUpdateSkip: RawBuilder<unknown>
  /** After a select: no other transaction changes its rows until this one ends. */
  readonly forShare: RawBuilder<unknown>
  /** After a select: no other transaction deletes its rows until this one ends. */
  readonly forKeyShare: RawBuilder<unknown>
  /** Makes this transaction the only one that adds events until it ends, so that they become visible in the order of `n`. */
  lockHistory(trx: Kysely<Schema>): Promise<void>
  /** The time that leases are measured by. */
  leaseNow(now: number): RawBuilder<number>
}

/** All numbers in the tables are whole: a time with a fraction (from jitter, for example) loses it. */
export const whole = (value: unknown): unknown => (typeof value === 'number' ? Math.round(value) : value)

const NOTHING = sql``

export const sqliteDialect: SqlDialect = {
  kind: 'sqlite',
  rows: (alias, columns, rows) => {
    const fields = Object.keys(columns).map((name, at) => sql`value ->> ${sql.lit(at)} as ${sql.ref(name)}`)
    return sql`(select ${sql.join(fields)}, key as i from json_each(${JSON.stringify(rows.map(row => row.map(whole)))})) as ${sql.ref(alias)}`
  },
  // A prepared statement for each row takes half of what `json_each` takes.
  insert: async (db, { table, columns, conflict = '', also }, rows) => {
    const names = Object.keys(columns)
    const values = names.map(() => '?').join(', ')
    const text = `insert into ${table} (${names.join(', ')}) values (${values}) ${conflict}`
    const each: EachRow = { [EACH]: rows }
    await db.executeQuery(CompiledQuery.raw(text, [each]))
    // Nobody else writes meanwhile, and numbers grow: the added rows are the last.
    if (also)
      await sql`
        insert into ${sql.table(also)} (connection, n)
        select connection, n from ${sql.table(table)} order by n desc limit ${rows.length}`.execute(db)
  },
  among: (subject, values) => sql<boolean>`${subject} in (select value from json_each(${JSON.stringify(values)}))`,
  // One connection, one writer: the transaction itself is the lock.
  forUpdate: NOTHING,
  forUpdateSkip: NOTHING,
  forShare: NOTHING,
  forKeyShare: NOTHING,
  lockHistory: async () => {},
  leaseNow: now => sql<number>`${now}`,
}

/** Ours among the advisory locks of the database: "or" as two bytes. */
export const ADVISORY_CLASS = 0x6f72
export const ADVISORY_MIGRATIONS = 1
const ADVISORY_HISTORY = 2
const HISTORY_LOCK = sql`select pg_advisory_xact_lock(${sql.lit(ADVISORY_CLASS)}, ${sql.lit(ADVISORY_HISTORY)})`

export const postgresDialect: SqlDialect = {
  kind: 'postgres',
  rows: (alias, columns, rows) => {
    const entries = Object.entries(columns)
    const arrays = entries.map(([, kind], at) => {
      const values = rows.map(row => whole(row[at] ?? null))
      return kind === 'int' ? sql`${values}::bigint[]` : sql`${values}::text[]`
    })
    const names = entries.map(([name]) => sql.ref(name))
    return sql`unnest(${sql.join(arrays)}) with ordinality as ${sql.ref(alias)} (${sql.join(names)}, i)`
  },
  insert: async (db, { table, columns, conflict = '', also, locksHistory }, rows) => {
    const names = sql.join(Object.keys(columns).map(name => sql.ref(name)))
    // Rows get their numbers behind the join, so not before the lock is there.
    const [lock, andLock] = locksHistory ? [sql`locked as materialized (${HISTORY_LOCK})`, sql`cross join locked`] : []
    const insert = sql`
      insert into ${sql.table(table)} (${names})
      select ${names} from ${postgresDialect.rows('new', columns, rows)} ${andLock ?? NOTHING}
      order by i ${sql.raw(conflict)}`
    const added = sql`added as (${insert} returning connection, n)`
    const steps = [lock, also && added].filter(step => step !== undefined)
    await sql`
      ${steps.length > 0 ? sql`with ${sql.join(steps)}` : NOTHING}
      ${also ? sql`insert into ${sql.table(also)} (connection, n) select connection, n from added` : insert}`.execute(
      db,
    )
  },
  among: (subject, values, kind) =>
    kind === 'int'
      ? sql<boolean>`${subject} = any(${values}::bigint[])`
      : sql<boolean>`${subject} = any(${values}::text[])`,
  forUpdate: sql`for update`,
  forUpdateSkip: sql`for update skip locked`,
  forShare: sql`for share`,
  forKeyShare: sql`for key share`,
  // The lock is released after the commit is visible, so the next transaction with the lock gets greater `n`.
  lockHistory: async trx => {
    await HISTORY_LOCK.execute(trx)
  },
  leaseNow: () => sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`,
}

/** The drivers throw this code when the database ended our transaction to break a deadlock. Nothing of it was written. */
export const DEADLOCK = 'store.deadlock'
const DEADLOCK_TRIES = 5

/** `relaxed`: how to tell the database not to wait for the disk. Without it every transaction waits. */
export function createSql(db: Kysely<Schema>, dialect: SqlDialect, relaxed?: Sql['relaxed']): Sql {
  const transaction: Sql['transaction'] = async work => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await db.transaction().execute(work)
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== DEADLOCK || attempt >= DEADLOCK_TRIES) throw error
      }
    }
  }
  return { db, dialect, transaction, relaxed: relaxed ?? transaction }
}

/** Text from outside as both databases can store it: without NUL and lone surrogates. */
export const storable = (text: string): string => text.replaceAll('\0', '').toWellFormed()
