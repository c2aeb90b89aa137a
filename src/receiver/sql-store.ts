import type { InboxStore } from './inbox.ts'

/** Runs one statement with positional parameters and resolves with its rows. */
export type Query = (sql: string, parameters: readonly (string | number | null)[]) => Promise<readonly unknown[]>

export interface SqlStoreOptions {
  /** How parameters are written: `$1` (PostgreSQL) or `?` (SQLite). */
  readonly dialect: 'postgres' | 'sqlite'
  /** Runs `work` in one transaction of your database: commits when it resolves, rolls back when it rejects. */
  transaction<R>(work: (query: Query) => Promise<R>): Promise<R>
  /** Letters, digits and `_`; default `orderwire_inbox`. */
  readonly table?: string
}

export interface SqlStore extends InboxStore<Query> {
  /** Creates the table where it is missing. */
  create(): Promise<void>
  /**
   * Forgets events received before this time (milliseconds since the epoch). Keep at least as long as events can come again: the
   * retries of a delivery take about three days, a replay reaches as far back as orderwire's history.
   */
  prune(before: number): Promise<void>
}

/**
 * An inbox store in your own database. The id is inserted in the transaction that your work writes in, under a primary key: of two
 * deliveries of one event at the same time the second waits for the first, then is a repeat.
 */
export function createSqlStore({ dialect, transaction, table = 'orderwire_inbox' }: SqlStoreOptions): SqlStore {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,50}$/.test(table))
    throw new TypeError(`table: expected letters, digits and "_", found ${JSON.stringify(table)}`)
  const number = dialect === 'postgres' ? 'bigint' : 'integer'
  const sql = (text: string) => {
    let n = 0
    return dialect === 'postgres' ? text.replaceAll('?', () => `$${++n}`) : text
  }

  return {
    record: ({ id, orderKey, sequence }, work) =>
      transaction(async query => {
        const inserted = await query(
          sql(
            `insert into ${table} (event_id, order_key, sequence, received_at) values (?, ?, ?, ?)
             on conflict (event_id) do nothing returning event_id`,
          ),
          [id, orderKey, sequence, Date.now()],
        )
        if (inserted.length === 0) return null
        const rows = await query(
          sql(`select max(sequence) as highest from ${table} where order_key = ? and event_id <> ?`),
          [orderKey, id],
        )
        const highest = highestIn(rows)
        await work(query, highest)
        return highest
      }),
    create: () =>
      transaction(async query => {
        await query(
          `create table if not exists ${table} (event_id text primary key, order_key text, sequence ${number} not null, received_at ${number} not null)`,
          [],
        )
        await query(`create index if not exists ${table}_order on ${table} (order_key, sequence)`, [])
        await query(`create index if not exists ${table}_received on ${table} (received_at)`, [])
      }),
    prune: before =>
      transaction(async query => {
        await query(sql(`delete from ${table} where received_at < ?`), [before])
      }),
  }
}

/** Drivers give a bigint as a number, a string or a BigInt. */
function highestIn([row]: readonly unknown[]): number {
  const value: unknown = typeof row === 'object' && row !== null && 'highest' in row ? row.highest : null
  return value === null ? 0 : Number(value)
}
