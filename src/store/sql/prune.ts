import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { EventFilter } from '../port/events.ts'
import type { PruneBounds } from '../port/retention.ts'
import type { Store } from '../store.ts'
import { matching } from './event-conditions.ts'
import { UNPUBLISHED } from './events.ts'
import { pause } from './pause.ts'
import type { Sql, SqlDialect } from './sql.ts'
import type { Schema } from './tables.ts'

const CHUNK = 500

/**
 * Retention, by the promises of `port/retention.ts`. Each walk follows an index in chunks and skips rows it keeps, so a large backlog
 * costs some lookups an hour and never a scan. Dead letters go first, because they keep their events.
 */
export function pruner(store: Sql): Store['prune'] {
  const { db } = store
  return async (before, signal) => {
    const deadLetters = await expireLetters(store, before, signal)
    const events = await pruneEvents(store, before, signal)
    const attempts = await pruneAttempts(store, before.attempts, signal)
    // Replays to a removed handler are never queued; those to a removed endpoint went with it.
    if (!signal.aborted)
      await sql`
        delete from replays where created_at < ${before.events}
        and not exists (select 1 from endpoints where endpoints.id = replays.destination)`.execute(db)
    // Nothing replaces the entries of rows without an order id; they would pile up.
    if (!signal.aborted)
      await sql`
        delete from quarantine where order_id is null and span_from is null and at < ${before.events}`.execute(db)
    return { events, attempts, deadLetters }
  }
}

/** Deletes old dead letters, in the order they were made, and adds them to a count that stays. Returns how many, by destination. */
async function expireLetters(
  { dialect, transaction }: Sql,
  before: PruneBounds,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const expired = new Map<string, number>()
  let passed = 0
  while (!signal.aborted) {
    const { letters, gone } = await transaction(async trx => {
      const { rows } = await sql<{ n: number; at: number; holding: number }>`
        select n, at, holding from dead_letters where n > ${passed} order by n limit ${CHUNK}`.execute(trx)
      const old = rows.filter(({ at, holding }) => at < before.deadLetters && holding === 0).map(({ n }) => n)
      if (old.length === 0) return { letters: rows, gone: new Map<string, number>() }
      // A redrive may have taken some of them meanwhile: count only what is deleted here.
      const { rows: deleted } = await sql<{ destination: string }>`
        delete from dead_letters where ${dialect.among(sql`n`, old, 'int')} and holding = 0 returning destination`.execute(
        trx,
      )
      const counts = new Map<string, number>()
      for (const { destination } of deleted) counts.set(destination, (counts.get(destination) ?? 0) + 1)
      for (const [destination, count] of [...counts].sort())
        await sql`
          insert into expired_dead_letters (destination, count, last_at) values (${destination}, ${count}, ${before.now})
          on conflict (destination) do update
          set count = expired_dead_letters.count + excluded.count, last_at = excluded.last_at`.execute(trx)
      return { letters: rows, gone: counts }
    })
    for (const [destination, count] of gone) expired.set(destination, (expired.get(destination) ?? 0) + count)
    await pause()
    const last = letters.at(-1)
    if (!last || letters.length < CHUNK || last.at >= before.deadLetters) break
    passed = last.n
  }
  return expired
}

interface Candidate {
  readonly n: number
  readonly id: string
  readonly connection: string
  readonly order_id: string
  readonly sequence: number
  readonly observed_at: number
}

const CANDIDATE = sql`n, id, connection, order_id, sequence, observed_at`

async function pruneEvents({ dialect, transaction }: Sql, before: PruneBounds, signal: AbortSignal): Promise<number> {
  let gone = 0
  let passed = { at: -1, n: 0 }
  while (!signal.aborted) {
    const { at, n } = passed
    const chunk = await transaction(async trx => {
      const { rows } = await sql<Candidate>`
        select ${CANDIDATE} from events
        where observed_at < ${before.events} and (observed_at, n) > (${at}, ${n}) and not ${UNPUBLISHED}
        ${await unread(trx, before.reader)} ${await replaying(trx, dialect)}
        order by observed_at, n limit ${CHUNK}`.execute(trx)
      return { rows, deleted: await deleteDone({ trx, dialect }, rows) }
    })
    gone += chunk.deleted
    await pause()
    const last = chunk.rows.at(-1)
    if (!last || chunk.rows.length < CHUNK) break
    passed = { at: last.observed_at, n: last.n }
  }
  return gone
}

/** Only events that the reader of the embedded log has passed. A reader without a position has passed none. */
async function unread(trx: Kysely<Schema>, reader: string | null): Promise<RawBuilder<unknown>> {
  if (reader === null) return sql``
  const { rows } = await sql<{ position: number | null }>`
    select min(position) as position from offsets where group_id = ${reader}`.execute(trx)
  return sql`and n <= ${rows[0]?.position ?? 0}`
}

/** Excludes events that a replay has still to queue. */
async function replaying(trx: Kysely<Schema>, dialect: SqlDialect): Promise<RawBuilder<unknown>> {
  const pending = await trx.selectFrom('replays').select(['filter', 'through']).execute()
  const conditions = pending.map(({ filter, through }) => {
    const wanted = { ...(JSON.parse(filter) as EventFilter), ...(through !== null && { through }) }
    return sql`and not (${matching(dialect, wanted)})`
  })
  return sql.join(conditions, sql` `)
}

/**
 * Deletes those of the events that nothing waits for. Checks again once the rows are locked: what was put into a backlog, or made
 * unpublished again, before the lock is seen then; what comes later waits for the lock and finds the event gone.
 */
async function deleteDone(
  { trx, dialect }: { trx: Kysely<Schema>; dialect: SqlDialect },
  candidates: readonly Candidate[],
): Promise<number> {
  const kept = await waitingAmong(trx, dialect, candidates)
  const free = candidates.filter(({ id }) => !kept.has(id))
  if (free.length === 0) return 0
  const numbers = (rows: readonly Candidate[]) => rows.map(({ n }) => n)
  const { rows: locked } = await sql<Candidate>`
    select ${CANDIDATE} from events where ${dialect.among(sql`n`, numbers(free), 'int')}
    order by n ${dialect.forUpdateSkip}`.execute(trx)
  const waiting = dialect.kind === 'sqlite' ? kept : await waitingAmong(trx, dialect, locked)
  const done = await firstOfTheirOrders(
    { trx, dialect },
    locked.filter(({ id }) => !waiting.has(id)),
  )
  await sql`delete from events where ${dialect.among(sql`n`, numbers(done), 'int')}`.execute(trx)
  return done.length
}

async function waitingAmong(
  trx: Kysely<Schema>,
  dialect: SqlDialect,
  events: readonly Candidate[],
): Promise<ReadonlySet<string>> {
  const ids = events.map(({ id }) => id)
  const open = await openDeliveries(trx, dialect, ids)
  if (ids.length === 0) return new Set()
  const { rows: unpublished } = await sql<{ id: string }>`
    select id from events where ${dialect.among(sql`id`, ids)} and ${UNPUBLISHED}`.execute(trx)
  return new Set([...open.map(({ event_id }) => event_id), ...unpublished.map(({ id }) => id)])
}

/** The deliveries of these events that wait or are dead. */
async function openDeliveries(
  db: Kysely<Schema>,
  dialect: SqlDialect,
  ids: readonly string[],
): Promise<readonly { destination: string; event_id: string }[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<{ destination: string; event_id: string }>`
    select event_id, destination from backlog where ${dialect.among(sql`event_id`, ids)}
    union select event_id, destination from dead_letters where ${dialect.among(sql`event_id`, ids)}`.execute(db)
  return rows
}

/** Without events behind one of their order that stays, so the rest of an order has no gap. */
async function firstOfTheirOrders(
  { trx, dialect }: { trx: Kysely<Schema>; dialect: SqlDialect },
  events: readonly Candidate[],
): Promise<readonly Candidate[]> {
  const keyOf = (event: Pick<Candidate, 'connection' | 'order_id'>) => `${event.connection} ${event.order_id}`
  const orders = new Map(events.map(event => [keyOf(event), [event.order_id, event.connection]]))
  if (orders.size === 0) return []
  const going = new Set(events.map(({ n }) => n))
  const source = dialect.rows('chosen', { order_id: 'text', connection: 'text' }, [...orders.values()])
  const { rows } = await sql<Pick<Candidate, 'n' | 'connection' | 'order_id' | 'sequence'>>`
    select events.n, events.connection, events.order_id, events.sequence from ${source}
    join events on events.order_id = chosen.order_id and events.connection = chosen.connection`.execute(trx)
  const staying = new Map<string, number>()
  for (const row of rows)
    if (!going.has(row.n))
      staying.set(keyOf(row), Math.min(row.sequence, staying.get(keyOf(row)) ?? Number.POSITIVE_INFINITY))
  return events.filter(event => event.sequence < (staying.get(keyOf(event)) ?? Number.POSITIVE_INFINITY))
}

/** Deletes attempts in the order they were made, until a chunk ends with a younger one. */
async function pruneAttempts({ db, dialect }: Sql, before: number, signal: AbortSignal): Promise<number> {
  let gone = 0
  let passed = 0
  while (!signal.aborted) {
    const { rows } = await sql<{ n: number; at: number; event_id: string; destination: string }>`
      select n, at, event_id, destination from attempts where n > ${passed} order by n limit ${CHUNK}`.execute(db)
    const aged = rows.filter(({ at }) => at < before)
    const ids = [...new Set(aged.map(row => row.event_id))]
    const needed = new Set((await openDeliveries(db, dialect, ids)).map(deliveryOf))
    const old = aged.filter(row => !needed.has(deliveryOf(row))).map(({ n }) => n)
    if (old.length > 0) await sql`delete from attempts where ${dialect.among(sql`n`, old, 'int')}`.execute(db)
    gone += old.length
    await pause()
    const last = rows.at(-1)
    if (!last || rows.length < CHUNK || last.at >= before) break
    passed = last.n
  }
  return gone
}

const deliveryOf = (row: { destination: string; event_id: string }): string => `${row.destination}:${row.event_id}`
