import { type RawBuilder, sql } from 'kysely'
import { AppError } from '../../errors.ts'
import type { DeliveryStatus } from '../store.ts'
import type { Sql } from './sql.ts'

/** A delivery is one destination × one event. It waits if it is in a backlog, else it is dead if there is a letter, else delivered. */
export interface Found {
  readonly destination: string
  readonly eventId: string
  /** The event's place in the history; null: it is not there. */
  readonly eventN: number | null
  readonly orderKey: string
  readonly status: DeliveryStatus
  readonly attempt: number
  readonly nextAttemptAt: number | null
  /** Of its own table. */
  readonly n: number
  /** When it came to be what it is. */
  readonly at: number
}

interface Filter {
  readonly destination?: string
  readonly eventId?: string
  readonly status?: DeliveryStatus
}

type Cursor = Readonly<Partial<Record<DeliveryStatus, number>>>

const STATUSES: readonly DeliveryStatus[] = ['waiting', 'dead', 'delivered']

/**
 * Three tables, each newest first by its own number, merged by time. The cursor holds the last number taken of each: so every
 * page is three short walks, and what is added meanwhile shifts nothing.
 */
export async function listDeliveries(
  store: Sql,
  filter: Filter,
  paging: { limit: number; after?: string },
): Promise<{ found: readonly Found[]; next: string | null }> {
  const cursor = paging.after === undefined ? {} : readCursor(paging.after)
  const streams = STATUSES.filter(status => filter.status === undefined || filter.status === status)
  const heads = await Promise.all(
    streams.map(status => READ[status](store, { ...filter, before: cursor[status], limit: paging.limit + 1 })),
  )
  const found: Found[] = []
  const taken: Partial<Record<DeliveryStatus, number>> = { ...cursor }
  while (found.length < paging.limit) {
    const newest = heads.reduce((best, stream) => ((stream[0]?.at ?? -1) > (best[0]?.at ?? -1) ? stream : best), [])
    const row = newest.shift()
    if (!row) break
    found.push(row)
    taken[row.status] = row.n
  }
  const more = heads.some(stream => stream.length > 0)
  return { found, next: more ? writeCursor(taken) : null }
}

/** The delivery of one event at one destination, as a list of none or one. */
export async function findDeliveries(store: Sql, destination: string, eventId: string): Promise<readonly Found[]> {
  return (await listDeliveries(store, { destination, eventId }, { limit: 1 })).found
}

const writeCursor = (cursor: Cursor): string => Buffer.from(JSON.stringify(cursor)).toString('base64url')

function readCursor(text: string): Cursor {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (typeof value === 'object' && value !== null && Object.values(value).every(Number.isSafeInteger)) return value
  } catch {
    // said below
  }
  throw new AppError('The cursor is not one of this listing; pass the "next" of the page before, or none to begin.', {
    code: 'store.bad_cursor',
    intent: 'fix',
  })
}

interface Question extends Filter {
  readonly before: number | undefined
  readonly limit: number
}

interface Columns {
  readonly n: number
  readonly destination: string
  readonly event_id: string
  readonly event_n: number | null
  readonly order_key: string
  readonly at: number
  readonly attempt: number
  readonly next_at: number | null
}

const READ: Readonly<Record<DeliveryStatus, (store: Sql, question: Question) => Promise<Found[]>>> = {
  // The head of a lane has the lane's attempts and time; those behind it wait for the head. One held by its letter is dead.
  waiting: (store, question) =>
    read(
      store,
      'waiting',
      question,
      (where, limit) => sql`
      select item.n, item.destination, item.event_id, ${nOf(sql`item`)} as event_n, item.order_key, item.observed_at as at,
        case when first then lane_attempt else 0 end as attempt, case when first then lane_next end as next_at
      from (
        select backlog.n, backlog.destination, backlog.event_id, backlog.order_key, backlog.observed_at,
          lanes.attempt as lane_attempt, case when lanes.held = 0 then lanes.next_at end as lane_next,
          not exists (
            select 1 from backlog as earlier where earlier.destination = backlog.destination
            and earlier.order_key = backlog.order_key and earlier.sequence < backlog.sequence) as first
        from backlog join lanes on lanes.destination = backlog.destination and lanes.order_key = backlog.order_key
        where ${where(sql`backlog`)} and not exists (
          select 1 from dead_letters as letter
          where letter.event_id = backlog.event_id and letter.destination = backlog.destination and letter.holding = 1)
        order by backlog.n desc limit ${limit}
      ) as item order by item.n desc`,
    ),

  dead: (store, question) =>
    read(
      store,
      'dead',
      question,
      (where, limit) => sql`
      select letter.n, letter.destination, letter.event_id, ${nOf(sql`letter`)} as event_n, letter.order_key, letter.at, letter.attempts as attempt,
        null as next_at
      from dead_letters as letter
      where ${where(sql`letter`)} and (letter.holding = 1 or not exists (
        select 1 from backlog where backlog.event_id = letter.event_id and backlog.destination = letter.destination))
      order by letter.n desc limit ${limit}`,
    ),

  // The last time counts; a replay that waits or was given up counts more.
  delivered: (store, question) =>
    read(
      store,
      'delivered',
      question,
      (where, limit) => sql`
      select done.n, done.destination, done.event_id, done.event_n, done.order_key, done.at, done.attempt, null as next_at
      from attempts as done
      where ${where(sql`done`, 'event_n')} and done.outcome = 'delivered'
      and not exists (
        select 1 from attempts as later where later.event_n = done.event_n and later.destination = done.destination
        and later.outcome = 'delivered' and later.n > done.n)
      and not exists (
        select 1 from backlog where backlog.event_id = done.event_id and backlog.destination = done.destination)
      and not exists (
        select 1 from dead_letters as letter
        where letter.event_id = done.event_id and letter.destination = done.destination)
      order by done.n desc limit ${limit}`,
    ),
}

/** The filter as conditions on a table, which knows its events by id or by n. */
type Where = (table: RawBuilder<unknown>, eventColumn?: 'event_id' | 'event_n') => RawBuilder<unknown>

const nOf = (table: RawBuilder<unknown>) => sql`(select events.n from events where events.id = ${table}.event_id)`

async function read(
  { db }: Sql,
  status: DeliveryStatus,
  { destination, eventId, before, limit }: Question,
  statement: (where: Where, limit: number) => RawBuilder<unknown>,
): Promise<Found[]> {
  const where: Where = (table, eventColumn = 'event_id') =>
    sql.join(
      [
        sql`1 = 1`,
        ...(destination === undefined ? [] : [sql`${table}.destination = ${destination}`]),
        ...(eventId === undefined
          ? []
          : eventColumn === 'event_id'
            ? [sql`${table}.event_id = ${eventId}`]
            : [sql`${table}.event_n = (select events.n from events where events.id = ${eventId})`]),
        ...(before === undefined ? [] : [sql`${table}.n < ${before}`]),
      ],
      sql` and `,
    )
  const { rows } = await (statement(where, limit) as RawBuilder<Columns>).execute(db)
  return rows.map(row => ({
    destination: row.destination,
    eventId: row.event_id,
    eventN: row.event_n,
    orderKey: row.order_key,
    status,
    attempt: row.attempt,
    nextAttemptAt: row.next_at,
    n: row.n,
    at: row.at,
  }))
}
