import { type Kysely, sql } from 'kysely'
import { keyHash } from '../../lib/murmur2.ts'
import type { BacklogOrigin } from '../port/lanes.ts'
import type { SqlDialect } from './sql.ts'
import type { Schema } from './tables.ts'

/**
 * Two rules for every change of a backlog:
 * - a lane has a row exactly while its backlog is not empty;
 * - lock the lane's row before you change its backlog, lanes in the order of (destination, order key). Then the backlog stays as later
 *   statements see it until the transaction ends.
 */

export interface Lane {
  readonly destination: string
  readonly orderKey: string
}

export interface Entry {
  readonly destination: string
  readonly eventId: string
  readonly origin: BacklogOrigin
}

export interface Part {
  readonly trx: Kysely<Schema>
  readonly dialect: SqlDialect
}

interface KnownEvent {
  readonly id: string
  readonly order_key: string
  readonly sequence: number
  readonly observed_at: number
}

/** The origin of an event that was inserted several times is the greatest: an event never delivered is no replay. */
const RANK: Record<BacklogOrigin, number> = { replay: 0, redrive: 1, live: 2 }

/**
 * Puts events into backlogs and makes missing lanes. An event that is there already stays; only its origin may rise. An event that the
 * history no longer has is skipped. Returns the lanes touched.
 */
export async function enqueue(
  { trx, dialect }: Part,
  entries: readonly Entry[],
  lane: { nextAt: number; attempt: number },
): Promise<readonly Lane[]> {
  if (entries.length === 0) return []
  const ids = [...new Set(entries.map(entry => entry.eventId))]
  const { rows } = await sql<KnownEvent>`
    select id, order_key, sequence, observed_at from events where ${dialect.among(sql`id`, ids)} order by id
    ${dialect.forKeyShare}`.execute(trx)
  const events = new Map(rows.map(row => [row.id, row]))

  const lanes = new Map<string, Lane>()
  const origins = new Map<string, BacklogOrigin>()
  const waiting = new Map<string, (string | number)[]>()
  for (const { destination, eventId, origin } of entries) {
    const event = events.get(eventId)
    if (!event) continue
    lanes.set(`${destination} ${event.order_key}`, { destination, orderKey: event.order_key })
    const key = `${destination} ${eventId}`
    const before = origins.get(key) ?? origin
    const counts = RANK[origin] > RANK[before] ? origin : before
    origins.set(key, counts)
    waiting.set(key, [destination, event.order_key, event.sequence, eventId, event.observed_at, counts])
  }
  if (waiting.size === 0) return []

  const touched = [...lanes.values()]
  const newLanes = dialect.rows(
    'new',
    { destination: 'text', order_key: 'text', key_hash: 'int', next_at: 'int', attempt: 'int' },
    touched.map(({ destination, orderKey }) => [destination, orderKey, keyHash(orderKey), lane.nextAt, lane.attempt]),
  )
  // Setting an existing lane to its own values locks it.
  await sql`
    insert into lanes (destination, order_key, key_hash, next_at, attempt, held)
    select destination, order_key, key_hash, next_at, attempt, 0 from ${newLanes} where true order by destination, order_key
    on conflict (destination, order_key) do update set attempt = lanes.attempt`.execute(trx)

  const newBacklog = dialect.rows(
    'new',
    { destination: 'text', order_key: 'text', sequence: 'int', event_id: 'text', observed_at: 'int', origin: 'text' },
    [...waiting.values()],
  )
  await sql`
    insert into backlog (destination, order_key, sequence, event_id, observed_at, origin)
    select destination, order_key, sequence, event_id, observed_at, origin from ${newBacklog} where true order by i
    on conflict (destination, order_key, sequence) do update set origin = excluded.origin
    where (excluded.origin = 'live' and backlog.origin <> 'live') or (excluded.origin = 'redrive' and backlog.origin = 'replay')`.execute(
    trx,
  )
  return touched
}

/**
 * The destinations that still exist: a process may not know yet that an endpoint was removed. They exist until the transaction ends.
 */
export async function stillThere(
  { trx, dialect }: Part,
  destinations: readonly { readonly destination: string; readonly endpoint?: boolean }[],
): Promise<(destination: string) => boolean> {
  const endpoints = new Set(destinations.flatMap(one => (one.endpoint ? one.destination : [])))
  if (endpoints.size === 0) return () => true
  const { rows } = await sql<{ id: string }>`
    select id from endpoints where ${dialect.among(sql`id`, [...endpoints])} order by id ${dialect.forKeyShare}`.execute(
    trx,
  )
  const there = new Set(rows.map(({ id }) => id))
  return destination => !endpoints.has(destination) || there.has(destination)
}

const laneRows = (dialect: SqlDialect, lanes: readonly Lane[]) =>
  dialect.rows(
    'chosen',
    { destination: 'text', order_key: 'text' },
    lanes.map(lane => [lane.destination, lane.orderKey]),
  )

/**
 * Locks the rows of these lanes and returns the lanes that have one. The others may get a row and a backlog during this transaction, so
 * do not touch them.
 */
export async function lockLanes({ trx, dialect }: Part, lanes: readonly Lane[]): Promise<readonly Lane[]> {
  if (lanes.length === 0 || dialect.kind === 'sqlite') return lanes
  const { rows } = await sql<{ destination: string; order_key: string }>`
    select destination, order_key from lanes
    where (destination, order_key) in (select destination, order_key from ${laneRows(dialect, lanes)})
    order by destination, order_key ${dialect.forUpdate}`.execute(trx)
  return rows.map(row => ({ destination: row.destination, orderKey: row.order_key }))
}

/** Removes the rows of locked lanes (from `lockLanes` or `enqueue`) whose backlog is empty. */
export async function dropEmptyLanes({ trx, dialect }: Part, lanes: readonly Lane[]): Promise<void> {
  if (lanes.length === 0) return
  await sql`
    delete from lanes where (destination, order_key) in (select destination, order_key from ${laneRows(dialect, lanes)})
    and not exists (
      select 1 from backlog where backlog.destination = lanes.destination and backlog.order_key = lanes.order_key)`.execute(
    trx,
  )
}

/** Makes these lanes due at `now` with no attempts made, except those that a dead letter holds. */
export async function makeDue({ trx, dialect }: Part, lanes: readonly Lane[], now: number): Promise<void> {
  if (lanes.length === 0) return
  await sql`
    update lanes set next_at = ${now}, attempt = 0, held = 0
    where (destination, order_key) in (select destination, order_key from ${laneRows(dialect, lanes)})
    and not exists (
      select 1 from dead_letters
      where dead_letters.destination = lanes.destination and dead_letters.order_key = lanes.order_key and holding = 1)`.execute(
    trx,
  )
}

/** The order keys among these that have a lane at the destination. */
export async function existingLanes(
  db: Kysely<Schema>,
  dialect: SqlDialect,
  destination: string,
  orderKeys: readonly string[],
): Promise<ReadonlySet<string>> {
  if (orderKeys.length === 0) return new Set()
  const { rows } = await sql<{ order_key: string }>`
    select order_key from lanes
    where destination = ${destination} and ${dialect.among(sql`order_key`, orderKeys)}`.execute(db)
  return new Set(rows.map(row => row.order_key))
}
