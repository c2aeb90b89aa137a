import { type RawBuilder, sql } from 'kysely'
import type { DeliveryFilter, DeliveryStatus } from '../port/deliveries.ts'
import type { Sql } from './sql.ts'

/** A delivery is one destination × one event: waiting if it is in a backlog, else dead if it has a dead letter, else delivered. */
export interface Found {
  readonly destination: string
  readonly eventId: string
  /** The event's place in the history; null: it has none any more. */
  readonly eventN: number | null
  readonly orderKey: string
  readonly status: DeliveryStatus
  readonly attempt: number
  readonly nextAttemptAt: number | null
  /** The number in its own table. */
  readonly n: number
  /** The time to merge by: of the attempt, of the dead letter, or (waiting) when it was observed. */
  readonly at: number
}

interface EventKey {
  readonly n: number
  readonly id: string
}

interface Question extends Omit<DeliveryFilter, 'statuses' | 'eventId' | 'orderId'> {
  /** Only of these events; null: of all. */
  readonly events: readonly EventKey[] | null
  /** Only rows with a smaller `n`. */
  readonly before: number | undefined
  readonly limit: number
  /** So many rows are looked at. */
  readonly most: number
}

export interface Stream {
  readonly found: readonly Found[]
  /** The last row that was looked at, if there may be more behind it; null: the table has no more. */
  readonly stopped: { readonly n: number; readonly at: number } | null
}

/** Rows are written in batches, and late while the store was away: their times may be this much out of order. */
const DISORDER_MS = 3_600_000
const LARGEST_STRIDE = 2_000

/** The events that a filter names, by event or by order; null: it names none. */
export async function askedEvents({ db }: Sql, { eventId, orderId }: DeliveryFilter): Promise<EventKey[] | null> {
  if (eventId === undefined && orderId === undefined) return null
  const parts = [
    ...(eventId === undefined ? [] : [sql`id = ${eventId}`]),
    ...(orderId === undefined ? [] : [sql`order_id = ${orderId}`]),
  ]
  const { rows } = await sql<EventKey>`select n, id from events where ${sql.join(parts, sql` and `)}`.execute(db)
  return rows
}

/**
 * Deliveries of one status, newest first. Reads the newest rows of its table in strides and keeps those that match and truly have this
 * status (a delivered event may wait again), so the cost of a page does not grow with the store.
 */
export async function readStream(store: Sql, status: DeliveryStatus, question: Question): Promise<Stream> {
  const found: Found[] = []
  const { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY, tried = false, answer } = question
  let before = question.before ?? (await beginning(store, status, question.until))
  let stride = question.limit + 50
  for (let looked = 0; ; ) {
    const size = Math.min(stride, question.most - looked)
    const item = newest(store, status, { ...question, before }, size)
    const { rows } = await STREAMS[status](item, wantedColumns(store, status, question)).execute(store.db)
    for (const row of rows) {
      const isRight = row.current === 1 && row.wanted === 1 && (answer === undefined || isAnswer(row.answer, answer))
      if (isRight && row.at >= since && row.at < until && !(tried && row.attempt === 0))
        found.push(foundOf(status, row))
    }
    const last = rows.at(-1)
    // A backlog is not in the order of time, and ends by itself.
    const tooOld = status !== 'waiting' && last !== undefined && last.at < since - DISORDER_MS
    if (!last || rows.length < size || tooOld) return { found, stopped: null }
    looked += rows.length
    if (found.length >= question.limit || looked >= question.most) return { found, stopped: { n: last.n, at: last.at } }
    before = last.n
    stride = Math.min(stride * 2, LARGEST_STRIDE)
  }
}

/** The number behind which every row of the table is of `until` or later, by halving; undefined: the end of the table. */
async function beginning({ db }: Sql, status: DeliveryStatus, until: number | undefined): Promise<number | undefined> {
  if (until === undefined || status === 'waiting') return undefined
  const table = TABLES[status]
  const { rows } = await sql<{ n: number | null }>`select max(n) as n from ${table}`.execute(db)
  let [low, high] = [0, (rows[0]?.n ?? 0) + 1]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const { rows: next } = await sql<{ at: number }>`
      select at from ${table} where n >= ${middle} order by n limit 1`.execute(db)
    const at = next[0]?.at
    if (at === undefined || at >= until + DISORDER_MS) high = middle
    else low = middle + 1
  }
  return low
}

const isAnswer = (code: number | null, answer: NonNullable<DeliveryFilter['answer']>): boolean =>
  code !== null && (answer === 'none' ? code === 0 : Math.floor(code / 100) === Number(answer[0]))

interface Columns {
  readonly n: number
  readonly destination: string
  readonly event_id: string
  readonly event_n: number | null
  readonly order_key: string
  readonly at: number
  readonly attempt: number
  readonly next_at: number | null
  readonly current: number
  /** Whether its event is of a type asked for. */
  readonly wanted: number
  /** The status code of the latest attempt; 0: none came; null: no attempt, or it was not asked for. */
  readonly answer: number | null
}

const foundOf = (status: DeliveryStatus, row: Columns): Found => ({
  destination: row.destination,
  eventId: row.event_id,
  eventN: row.event_n,
  orderKey: row.order_key,
  status,
  attempt: row.attempt,
  nextAttemptAt: row.next_at,
  n: row.n,
  at: row.at,
})

const TABLES = { waiting: sql`backlog`, dead: sql`dead_letters`, delivered: sql`attempts` } as const

/** The newest rows of the status's table, as the table `item`. */
function newest({ dialect }: Sql, status: DeliveryStatus, question: Question, stride: number): RawBuilder<unknown> {
  const { destination, events, before } = question
  const parts = [sql`1 = 1`]
  if (destination !== undefined) parts.push(sql`destination = ${destination}`)
  if (before !== undefined) parts.push(sql`n < ${before}`)
  if (events !== null)
    // Attempts refer to their event by its place.
    parts.push(
      status === 'delivered'
        ? dialect.among(
            sql`event_n`,
            events.map(({ n }) => n),
            'int',
          )
        : dialect.among(
            sql`event_id`,
            events.map(({ id }) => id),
          ),
    )
  // The few rows of some events are found by these, and not along the order.
  const order = events === null ? sql`n desc` : sql`+n desc`
  return sql`(
    select * from ${TABLES[status]} where ${sql.join(parts, sql` and `)} order by ${order} limit ${stride}) as item`
}

/** What only some filters ask for, of the rows that are looked at. */
function wantedColumns({ dialect }: Sql, status: DeliveryStatus, { types, answer }: Question): RawBuilder<unknown> {
  const event = status === 'delivered' ? sql`events.n = item.event_n` : sql`events.id = item.event_id`
  const wanted = types
    ? sql`case when exists (
        select 1 from events where ${event} and ${dialect.among(sql`events.type`, types)}) then 1 else 0 end`
    : sql`1`
  const latest = sql`(
    select coalesce(attempts.status_code, 0) from attempts
    where attempts.event_n = ${EVENT_N} and attempts.destination = item.destination order by attempts.n desc limit 1)`
  const code = answer === undefined ? sql`null` : status === 'delivered' ? sql`coalesce(item.status_code, 0)` : latest
  return sql`${wanted} as wanted, ${code} as answer`
}

const WAITS = sql`exists (
  select 1 from backlog where backlog.event_id = item.event_id and backlog.destination = item.destination)`
const LETTER = sql`select 1 from dead_letters as letter
  where letter.event_id = item.event_id and letter.destination = item.destination`
const EVENT_N = sql`(select events.n from events where events.id = item.event_id)`

const STREAMS: Readonly<
  Record<DeliveryStatus, (item: RawBuilder<unknown>, more: RawBuilder<unknown>) => RawBuilder<Columns>>
> = {
  // The head has the lane's attempts and time; the others wait for the head. An event that holds its lane is dead.
  waiting: (item, more) => sql`
    select item.n, item.destination, item.event_id, ${EVENT_N} as event_n, item.order_key, item.observed_at as at,
      coalesce(lanes.attempt, 0) as attempt, case when lanes.held = 0 then lanes.next_at end as next_at,
      case when exists (${LETTER} and letter.holding = 1) then 0 else 1 end as current, ${more}
    from ${item} left join lanes on lanes.destination = item.destination and lanes.order_key = item.order_key
      and not exists (
        select 1 from backlog as earlier where earlier.destination = item.destination
        and earlier.order_key = item.order_key and earlier.sequence < item.sequence)
    order by item.n desc`,

  // An event that is queued again waits.
  dead: (item, more) => sql`
    select item.n, item.destination, item.event_id, ${EVENT_N} as event_n, item.order_key, item.at,
      item.attempts as attempt, null as next_at,
      case when item.holding = 0 and ${WAITS} then 0 else 1 end as current, ${more}
    from ${item} order by item.n desc`,

  // The latest attempt counts; a replay that waits or is dead counts more.
  delivered: (item, more) => sql`
    select item.n, item.destination, item.event_id, item.event_n, item.order_key, item.at, item.attempt, null as next_at,
      case when item.outcome <> 'delivered' or ${WAITS} or exists (${LETTER}) or exists (
        select 1 from attempts as later where later.event_n = item.event_n and later.destination = item.destination
        and later.outcome = 'delivered' and later.n > item.n) then 0 else 1 end as current, ${more}
    from ${item} order by item.n desc`,
}
