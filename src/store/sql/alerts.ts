import { type Kysely, type Selectable, sql } from 'kysely'
import type { AlertState, AlertStore, StoredNotice } from '../port/alerts.ts'
import type { Lease } from '../port/leases.ts'
import { holdLease } from './leases.ts'
import { type Sql, storable } from './sql.ts'
import type { Schema } from './tables.ts'

/** Failed attempts that are enough to tell since when a circuit is open. */
const FAILURES = 1_000

export function alertStore({ db, dialect, transaction }: Sql): AlertStore {
  const underLease = (lease: Lease, write: (trx: Kysely<Schema>) => Promise<unknown>): Promise<void> =>
    transaction(async trx => {
      await holdLease(trx, dialect, lease)
      await write(trx)
    })

  return {
    states: async () =>
      (await db.selectFrom('alert_states').selectAll().orderBy('alert').orderBy('subject').execute()).map(stateOf),

    save: (lease, { put, remove, notices }) =>
      underLease(lease, async trx => {
        for (const { alert, subject } of [...remove, ...put])
          await sql`delete from alert_states where alert = ${alert} and subject = ${subject}`.execute(trx)
        for (const state of put) await trx.insertInto('alert_states').values(columnsOf(state)).execute()
        for (const { alert, subject, body, at } of notices)
          await trx
            .insertInto('alert_notices')
            .values({ alert, subject, body: storable(body), created_at: at, next_at: at, attempts: 0 })
            .execute()
      }),

    keepOnly: (lease, alerts) =>
      underLease(lease, async trx => {
        const kept = dialect.among(sql`alert`, alerts)
        await sql`delete from alert_states where not (${kept})`.execute(trx)
        await sql`delete from alert_notices where not (${kept})`.execute(trx)
      }),

    due: async (alert, now, limit) => {
      const { rows } = await sql<Selectable<Schema['alert_notices']>>`
        select * from alert_notices as item where alert = ${alert} and next_at <= ${now} and not exists (
          select 1 from alert_notices as earlier
          where earlier.alert = item.alert and earlier.subject = item.subject and earlier.n < item.n)
        order by n limit ${limit}`.execute(db)
      return rows.map(noticeOf)
    },

    postpone: (lease, n, nextAt) =>
      underLease(lease, trx =>
        sql`update alert_notices set next_at = ${nextAt}, attempts = attempts + 1 where n = ${n}`.execute(trx),
      ),

    removeNotice: (lease, n) => underLease(lease, trx => sql`delete from alert_notices where n = ${n}`.execute(trx)),

    health: async (endpoint, since) => {
      const { rows } = await sql<{ outcome: string; at: number; error: string | null; response: string | null }>`
        select outcome, at, error, response from attempts where destination = ${endpoint} order by n desc limit 1`.execute(
        db,
      )
      const newest = rows[0] ?? null
      if (newest === null || newest.outcome === 'delivered') return { newest, failures: [] }
      const { rows: failures } = await sql<{ at: number; order_key: string }>`
        select at, order_key from attempts
        where destination = ${endpoint} and at >= ${since} and n > coalesce((
          select n from attempts
          where destination = ${endpoint} and outcome = 'delivered' order by n desc limit 1), 0)
        order by n limit ${FAILURES}`.execute(db)
      return { newest, failures: failures.map(({ at, order_key }) => ({ at, orderKey: order_key })) }
    },

    newestLetters: async () => {
      // From one destination to the next through the index, instead of through all dead letters.
      const { rows } = await sql<{ destination: string; newest: number }>`
        with recursive known (destination) as (
          select min(destination) from dead_letters
          union all
          select (select min(letter.destination) from dead_letters as letter where letter.destination > known.destination)
          from known where known.destination is not null)
        select destination, (
          select n from dead_letters as letter where letter.destination = known.destination order by n desc limit 1
        ) as newest from known where destination is not null`.execute(db)
      return new Map(rows.map(({ destination, newest }) => [destination, newest]))
    },

    lettersAfter: async (destination, after) => {
      const { rows } = await sql<{ count: number; error: string | null }>`
        select count(*) as count, (
          select last_error from dead_letters where destination = ${destination} order by n desc limit 1
        ) as error from dead_letters where destination = ${destination} and n > ${after}`.execute(db)
      return { count: Number(rows[0]?.count ?? 0), lastError: rows[0]?.error ?? null }
    },
  }
}

const stateOf = (row: Selectable<Schema['alert_states']>): AlertState => ({
  alert: row.alert,
  subject: row.subject,
  condition: row.condition,
  since: row.since,
  announced: row.announced,
  announcedAt: row.announced_at,
  mark: row.mark,
})

const columnsOf = (state: AlertState) => ({
  alert: state.alert,
  subject: state.subject,
  condition: state.condition,
  since: state.since,
  announced: state.announced,
  announced_at: state.announcedAt,
  mark: state.mark,
})

const noticeOf = (row: Selectable<Schema['alert_notices']>): StoredNotice => ({
  n: row.n,
  alert: row.alert,
  subject: row.subject,
  body: row.body,
  createdAt: row.created_at,
  attempts: row.attempts,
})
