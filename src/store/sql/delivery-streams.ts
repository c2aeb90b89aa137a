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

export interface Question extends Omit<DeliveryFilter, 'statuses'> {
  /** Only rows with a smaller `n`. */
  readonly before: number | undefined
  readonly limit: number
}

/** Rows are written in batches, and late while the store was away: their times may be this much out of order. */
const DISORDER_MS = 3_600_000
const LARGEST_STRIDE = 2_000

/**
 * Deliveries of one status, newest first. Reads the newest rows of its table in strides and keeps those that truly have this status (a
 * delivered event may wait again), so the cost of a page does not grow with the store.
 */
export async function readStream({ db }: Sql, status: DeliveryStatus, question: Question): Promise<Found[]> {
  const found: Found[] = []
  const { since = Number.NEGATIVE_INFINITY, tried = false } = question
  let stride = question.limit + 50
  for (let { before } = question; ; ) {
    const statement = STREAMS[status](newest(status, { ...question, before }, stride))
    const { rows } = await statement.execute(db)
    for (const row of rows)
      if (row.current === 1 && row.at >= since && !(tried && row.attempt === 0)) found.push(foundOf(status, row))
    const last = rows.at(-1)
    // A backlog is not in the order of time, and ends by itself.
    const tooOld = status !== 'waiting' && last !== undefined && last.at < since - DISORDER_MS
    if (rows.length < stride || tooOld || found.length >= question.limit) return found.slice(0, question.limit)
    before = last?.n
    stride = Math.min(stride * 2, LARGEST_STRIDE)
  }
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
  readonly current: number
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
function newest(status: DeliveryStatus, question: Question, stride: number): RawBuilder<unknown> {
  const { destination, eventId, orderId, before } = question
  const parts = [status === 'delivered' ? sql`outcome = 'delivered'` : sql`1 = 1`]
  if (destination !== undefined) parts.push(sql`destination = ${destination}`)
  if (before !== undefined) parts.push(sql`n < ${before}`)
  if (eventId !== undefined)
    // Attempts refer to their event by its place.
    parts.push(
      status === 'delivered'
        ? sql`event_n = (select events.n from events where events.id = ${eventId})`
        : sql`event_id = ${eventId}`,
    )
  if (orderId !== undefined)
    parts.push(
      status === 'delivered'
        ? sql`event_n in (select events.n from events where events.order_id = ${orderId})`
        : sql`event_id in (select events.id from events where events.order_id = ${orderId})`,
    )
  return sql`(
    select * from ${TABLES[status]} where ${sql.join(parts, sql` and `)} order by n desc limit ${stride}) as item`
}

const WAITS = sql`exists (
  select 1 from backlog where backlog.event_id = item.event_id and backlog.destination = item.destination)`
const LETTER = sql`select 1 from dead_letters as letter
  where letter.event_id = item.event_id and letter.destination = item.destination`
const EVENT_N = sql`(select events.n from events where events.id = item.event_id)`

const STREAMS: Readonly<Record<DeliveryStatus, (item: RawBuilder<unknown>) => RawBuilder<Columns>>> = {
  // The head has the lane's attempts and time; the others wait for the head. An event that holds its lane is dead.
  waiting: item => sql`
    select item.n, item.destination, item.event_id, ${EVENT_N} as event_n, item.order_key, item.observed_at as at,
      coalesce(lanes.attempt, 0) as attempt, case when lanes.held = 0 then lanes.next_at end as next_at,
      case when exists (${LETTER} and letter.holding = 1) then 0 else 1 end as current
    from ${item} left join lanes on lanes.destination = item.destination and lanes.order_key = item.order_key
      and not exists (
        select 1 from backlog as earlier where earlier.destination = item.destination
        and earlier.order_key = item.order_key and earlier.sequence < item.sequence)
    order by item.n desc`,

  // An event that is queued again waits.
  dead: item => sql`
    select item.n, item.destination, item.event_id, ${EVENT_N} as event_n, item.order_key, item.at,
      item.attempts as attempt, null as next_at,
      case when item.holding = 0 and ${WAITS} then 0 else 1 end as current
    from ${item} order by item.n desc`,

  // The latest attempt counts; a replay that waits or is dead counts more.
  delivered: item => sql`
    select item.n, item.destination, item.event_id, item.event_n, item.order_key, item.at, item.attempt, null as next_at,
      case when ${WAITS} or exists (${LETTER}) or exists (
        select 1 from attempts as later where later.event_n = item.event_n and later.destination = item.destination
        and later.outcome = 'delivered' and later.n > item.n) then 0 else 1 end as current
    from ${item} order by item.n desc`,
}
