import { sql } from 'kysely'
import type { CheckedOrder, LaneKey, VerifyStore } from '../port/verify.ts'
import { EVENT_COLUMNS, type EventColumns, eventOf } from './events.ts'
import { lastGiven, repairs } from './repair.ts'
import type { Sql } from './sql.ts'

/** Reads pages of rows together with the rows they must agree with. The limit counts rows read, so every page is short. */
export function verifyStore(store: Sql): VerifyStore {
  const { db, dialect } = store
  return {
    ...repairs(store),

    orders: async (after, limit) => {
      const { rows } = await sql<OrderColumns>`
        select page.connection, page.order_id, page.observed_at, page.state, events.id, events.sequence
        from (
          select connection, order_id, observed_at, state from orders
          where (connection, order_id) > (${after?.connection ?? ''}, ${after?.orderId ?? ''})
          order by connection, order_id limit ${limit}) as page
        left join events on events.order_id = page.order_id and events.connection = page.connection
        order by page.connection, page.order_id, events.sequence`.execute(db)
      return ordersOf(rows)
    },

    events: async (after, limit) => {
      const { rows } = await sql<EventColumns & { has_order: Flag }>`
        select ${EVENT_COLUMNS}, exists (
          select 1 from orders where orders.connection = events.connection and orders.order_id = events.order_id) as has_order
        from events where n > ${after} order by n limit ${limit}`.execute(db)
      return rows.map(row => ({ n: row.n, ...eventOf(row), hasOrder: isSet(row.has_order) }))
    },

    lanes: async (after, limit) => {
      const { rows } = await sql<LaneColumns & { held: number; waiting: Flag; holder: Flag }>`
        select destination, order_key, held,
          exists (
            select 1 from backlog
            where backlog.destination = lanes.destination and backlog.order_key = lanes.order_key) as waiting,
          exists (
            select 1 from dead_letters
            where dead_letters.destination = lanes.destination and dead_letters.order_key = lanes.order_key
            and holding = 1) as holder
        from lanes where (destination, order_key) > (${after?.destination ?? ''}, ${after?.orderKey ?? ''})
        order by destination, order_key limit ${limit}`.execute(db)
      return rows.map(row => ({
        ...laneOf(row),
        held: row.held === 1,
        waiting: isSet(row.waiting),
        holder: isSet(row.holder),
      }))
    },

    backlog: async (after, limit) => {
      const { rows } = await sql<ReferenceColumns & { has_lane: Flag }>`
        select page.*, events.order_key as real_order_key, events.sequence as real_sequence, exists (
          select 1 from lanes
          where lanes.destination = page.destination and lanes.order_key = page.order_key) as has_lane
        from (
          select n, destination, order_key, sequence, event_id from backlog where n > ${after} order by n limit ${limit}
        ) as page left join events on events.id = page.event_id order by page.n`.execute(db)
      return rows.map(row => ({ ...referenceOf(row), hasLane: isSet(row.has_lane) }))
    },

    deadLetters: async (after, limit) => {
      const { rows } = await sql<ReferenceColumns & { id: string; holding: number; held: number | null }>`
        select page.*, events.order_key as real_order_key, events.sequence as real_sequence, lanes.held
        from (
          select n, id, destination, order_key, sequence, event_id, holding from dead_letters
          where n > ${after} order by n limit ${limit}) as page
        left join events on events.id = page.event_id
        left join lanes on lanes.destination = page.destination and lanes.order_key = page.order_key
        order by page.n`.execute(db)
      return rows.map(row => ({ ...referenceOf(row), id: row.id, holding: row.holding === 1, held: row.held === 1 }))
    },

    unpublished: async () => {
      const { rows } = await sql<{ connection: string; count: number; oldest: number }>`
        select waiting.connection, waiting.count, events.observed_at as oldest
        from (select connection, count(*) as count, min(n) as first from unpublished group by connection) as waiting
        join events on events.n = waiting.first order by waiting.connection`.execute(db)
      return rows.map(({ connection, count, oldest }) => ({ connection, count, oldestObservedAt: oldest }))
    },

    history: async () => {
      const { rows } = await sql<{ first: number | null; last: number | null; count: number }>`
        select min(n) as first, max(n) as last, count(*) as count from events`.execute(db)
      const [{ first, last, count } = { first: null, last: null, count: 0 }] = rows
      const given = await lastGiven(db, dialect.kind)
      return { first: first ?? 0, last: last ?? 0, given, whole: count > 0 && count === given }
    },

    offsets: async () => {
      const rows = await db.selectFrom('offsets').selectAll().orderBy('group_id').orderBy('partition').execute()
      return rows.map(({ group_id, partition, position }) => ({ group: group_id, partition, position }))
    },

    nextReading: async (connection, orderId, userId) => {
      const { rows } = await sql<{ next_at: number | null }>`
        select min(next_at) as next_at from follows where connection = ${connection}
        and ((kind = 'order' and id = ${orderId}) or (kind = 'user' and id = ${userId}))`.execute(db)
      return rows[0]?.next_at ?? null
    },
  }
}

/** A boolean as either database returns it. */
type Flag = number | boolean
const isSet = (flag: Flag): boolean => flag === true || flag === 1

interface OrderColumns {
  readonly connection: string
  readonly order_id: string
  readonly observed_at: number
  readonly state: string
  readonly id: string | null
  readonly sequence: number | null
}

/** The rows of one order are adjacent. */
function ordersOf(rows: readonly OrderColumns[]): CheckedOrder[] {
  const orders: (CheckedOrder & { events: { id: string; sequence: number }[] })[] = []
  for (const { connection, order_id: orderId, observed_at: observedAt, state, id, sequence } of rows) {
    let order = orders.at(-1)
    if (order?.connection !== connection || order.orderId !== orderId) {
      order = { connection, orderId, observedAt, state, events: [] }
      orders.push(order)
    }
    if (id !== null && sequence !== null) order.events.push({ id, sequence })
  }
  return orders
}

interface LaneColumns {
  readonly destination: string
  readonly order_key: string
}

const laneOf = (row: LaneColumns): LaneKey => ({ destination: row.destination, orderKey: row.order_key })

interface ReferenceColumns extends LaneColumns {
  readonly n: number
  readonly sequence: number
  readonly event_id: string
  readonly real_order_key: string | null
  readonly real_sequence: number | null
}

const referenceOf = (row: ReferenceColumns) => ({
  ...laneOf(row),
  n: row.n,
  eventId: row.event_id,
  sequence: row.sequence,
  event:
    row.real_order_key === null || row.real_sequence === null
      ? null
      : { orderKey: row.real_order_key, sequence: row.real_sequence },
})
