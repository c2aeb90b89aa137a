import { type Kysely, sql } from 'kysely'
import type { BacklogEvent, BacklogOrigin, LaneRow, LaneStore } from '../port/lanes.ts'
import { dropEmptyLanes, enqueue, existingLanes, type Lane, lockLanes, makeDue, stillThere } from './backlog.ts'
import { listWithin, spanOf } from './event-conditions.ts'
import { EVENT_COLUMNS, type EventColumns, eventOf, restoreEvents } from './events.ts'
import { deadLetterHead } from './insert-dead-letter.ts'
import { holdLease } from './leases.ts'
import { pause } from './pause.ts'
import { removeWork } from './remove-work.ts'
import type { Sql } from './sql.ts'
import type { Schema } from './tables.ts'

const CHUNK = 500
/** Small, because SQLite blocks the whole process during a chunk; with a pause between, so that a large replay leaves most of the time to live events. */
const REPLAY_CHUNK = 200
const REPLAY_PAUSE_MS = 15

export function laneStore({ db, dialect, transaction, relaxed }: Sql): LaneStore {
  /** Locked until the transaction ends, so nothing is inserted for an endpoint while it is removed. */
  const isAsked = async (trx: Kysely<Schema>, n: number): Promise<boolean> => {
    const { rows } = await sql`select 1 from replays where n = ${n} ${dialect.forKeyShare}`.execute(trx)
    return rows.length > 0
  }

  return {
    existing: (destination, orderKeys) => existingLanes(db, dialect, destination, orderKeys),

    counts: async () => {
      const { rows } = await sql<{ destination: string; count: number }>`
        select destination, count(*) as count from lanes group by destination`.execute(db)
      return new Map(rows.map(row => [row.destination, row.count]))
    },

    spill: (events, lane, { retry, leases = [] } = {}) =>
      transaction(async trx => {
        for (const lease of leases) await holdLease(trx, dialect, lease)
        const part = { trx, dialect }
        const isThere = await stillThere(part, events)
        const wanted = events.filter(({ destination }) => isThere(destination))
        await restoreEvents(
          part,
          wanted.map(({ event }) => event),
        )
        const entries = wanted.map(({ destination, event, origin }) => ({ destination, eventId: event.id, origin }))
        await enqueue(part, entries, lane)
        if (retry)
          await sql`
            update lanes set next_at = ${lane.nextAt}, attempt = ${lane.attempt}
            where destination = ${retry.destination} and order_key = ${retry.orderKey} and held = 0`.execute(trx)
      }),

    due: async ({ destination, now, limit, owned, skip }) => {
      const mine = owned
        ? dialect.among(sql`key_hash % ${sql.lit(owned.partitions)}`, [...owned.of], 'int')
        : sql<boolean>`1 = 1`
      const { rows } = await sql<LaneColumns>`
        select destination, order_key, next_at, attempt, held from lanes
        where destination = ${destination} and held = 0 and next_at <= ${now} and ${mine}
        order by next_at limit ${limit + skip.size}`.execute(db)
      return rows
        .filter(row => !skip.has(row.order_key))
        .slice(0, limit)
        .map(laneOf)
    },

    nextDue: async destinations => {
      if (destinations.length === 0) return null
      // One index lookup for each destination.
      const asked = dialect.rows(
        'asked',
        { destination: 'text' },
        destinations.map(destination => [destination]),
      )
      const { rows } = await sql<{ next_at: number | null }>`
        select min(soonest) as next_at from (
          select (select min(next_at) from lanes where lanes.destination = asked.destination and held = 0) as soonest
          from ${asked}) as each_one`.execute(db)
      return rows[0]?.next_at ?? null
    },

    nextDueOfEach: async destinations => {
      const asked = dialect.rows(
        'asked',
        { destination: 'text' },
        destinations.map(destination => [destination]),
      )
      const { rows } = await sql<{ destination: string; next_at: number | null }>`
        select destination, (
          select min(next_at) from lanes where lanes.destination = asked.destination and held = 0) as next_at
        from ${asked}`.execute(db)
      return new Map(rows.flatMap(({ destination, next_at }) => (next_at === null ? [] : [[destination, next_at]])))
    },

    head: async (destination, orderKey, limit) => {
      const { rows } = await sql<EventColumns & { origin: string }>`
        select ${EVENT_COLUMNS}, backlog.origin from backlog join events on events.id = backlog.event_id
        where backlog.destination = ${destination} and backlog.order_key = ${orderKey}
        order by backlog.sequence limit ${limit}`.execute(db)
      return rows.map((row): BacklogEvent => ({ ...eventOf(row), origin: row.origin as BacklogOrigin }))
    },

    // Relaxed: if a power failure undoes it, the event is delivered once more.
    delivered: (destination, done, now) =>
      relaxed(async trx => {
        const part = { trx, dialect }
        const pairs = done.flatMap(({ orderKey, eventIds }) => eventIds.map(eventId => [orderKey, eventId]))
        if (pairs.length === 0) return new Set<string>()
        const source = dialect.rows('done', { order_key: 'text', event_id: 'text' }, pairs)
        const held = await lockLanes(
          part,
          done.map(({ orderKey }) => ({ destination, orderKey })),
        )
        const heldKeys = held.map(({ orderKey }) => orderKey)
        if (heldKeys.length > 0)
          await sql`
            delete from backlog where destination = ${destination} and ${dialect.among(sql`order_key`, heldKeys)}
            and (order_key, event_id) in (select order_key, event_id from ${source})`.execute(trx)
        await sql`
          delete from dead_letters where destination = ${destination}
          and event_id in (select event_id from ${source})`.execute(trx)
        await dropEmptyLanes(part, held)
        await makeDue(part, held, now)
        const orderKeys = done.map(({ orderKey }) => orderKey)
        const left = await existingLanes(trx, dialect, destination, orderKeys)
        return new Set(orderKeys.filter(orderKey => !left.has(orderKey)))
      }),

    reschedule: lanes =>
      transaction(async trx => {
        if (lanes.length === 0) return
        const source = dialect.rows(
          'new',
          { destination: 'text', order_key: 'text', next_at: 'int', attempt: 'int' },
          lanes.map(lane => [lane.destination, lane.orderKey, lane.nextAt, lane.attempt]),
        )
        await lockLanes({ trx, dialect }, lanes)
        await sql`
          update lanes set next_at = new.next_at, attempt = new.attempt from ${source}
          where lanes.destination = new.destination and lanes.order_key = new.order_key and lanes.held = 0`.execute(trx)
      }),

    makeDue: async (destination, now) => {
      for (;;) {
        const { rows } = await sql<{ order_key: string }>`
          select order_key from lanes where destination = ${destination} and held = 0 and next_at > ${now}
          order by next_at limit ${CHUNK}`.execute(db)
        const orderKeys = rows.map(row => row.order_key)
        await transaction(async trx => {
          await lockLanes(
            { trx, dialect },
            orderKeys.map(orderKey => ({ destination, orderKey })),
          )
          await sql`
            update lanes set next_at = ${now}
            where destination = ${destination} and held = 0 and next_at > ${now}
            and ${dialect.among(sql`order_key`, orderKeys)}`.execute(trx)
        })
        if (orderKeys.length < CHUNK) return
        await pause()
      }
    },

    deadLetter: letter => transaction(trx => deadLetterHead({ trx, dialect }, letter)),

    replay: async (destination, filter, now, { wants, signal, request, origin = 'replay' } = {}) => {
      let queued = 0
      let after: number | undefined
      const span = await spanOf({ db, filter })
      if (!span) return 0
      for (;;) {
        const page = await listWithin<EventColumns>(span, {
          db,
          dialect,
          filter,
          columns: wants ? EVENT_COLUMNS : sql`n, id`,
          paging: { limit: REPLAY_CHUNK, ...(after !== undefined && { after }) },
        })
        const last = page.at(-1)
        if (!last || signal?.aborted) return queued
        const chosen = wants ? page.filter(row => wants(eventOf(row))) : page
        const entries = chosen.map(({ id }) => ({ destination, eventId: id, origin }))
        // Relaxed: the final mark of the replay brings all of it to the disk.
        const asked = await relaxed(async trx => {
          if (request !== undefined && !(await isAsked(trx, request))) return false
          const lanes = await enqueue({ trx, dialect }, entries, { nextAt: now, attempt: 0 })
          if (filter.eventId !== undefined) await bringForward(trx, lanes, now)
          return true
        })
        if (!asked) return queued
        queued += chosen.length
        after = last.n
        if (page.length < REPLAY_CHUNK) return queued
        await pause(REPLAY_PAUSE_MS)
      }
    },

    forget: destination => transaction(trx => removeWork(trx, destination, { unlessThere: true })),

    backlog: async () => {
      const { rows } = await sql<{ destination: string; size: number; oldest: number | null }>`
        select destination, count(*) as size, min(observed_at) as oldest from backlog group by destination`.execute(db)
      return new Map(rows.map(row => [row.destination, { size: row.size, oldestObservedAt: row.oldest }]))
    },
  }
}

async function bringForward(trx: Kysely<Schema>, lanes: readonly Lane[], now: number): Promise<void> {
  for (const { destination, orderKey } of lanes)
    await sql`
      update lanes set next_at = ${now}
      where destination = ${destination} and order_key = ${orderKey} and held = 0 and next_at > ${now}`.execute(trx)
}

interface LaneColumns {
  readonly destination: string
  readonly order_key: string
  readonly next_at: number
  readonly attempt: number
  readonly held: number
}

const laneOf = (row: LaneColumns): LaneRow => ({
  destination: row.destination,
  orderKey: row.order_key,
  nextAt: row.next_at,
  attempt: row.attempt,
  held: row.held === 1,
})
