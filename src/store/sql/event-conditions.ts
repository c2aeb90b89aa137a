import { type Kysely, type RawBuilder, sql } from 'kysely'
import { EventType } from '../../../schemas/order-event.ts'
import type { EventFilter } from '../port/events.ts'
import type { Paging } from '../port/paging.ts'
import type { SqlDialect } from './sql.ts'
import type { Schema } from './tables.ts'

interface Query {
  readonly db: Kysely<Schema>
  readonly dialect: SqlDialect
  readonly filter: EventFilter
}

/** More branches than this cost more than they save. */
const MOST_BRANCHES = 100

/**
 * Events that match a filter, in the order of `n`. The history may be long and matches rare, so indexes do the work: each (connection,
 * type) is a branch that walks its index and stops after a page, and bounds of time become bounds of `n` first.
 */
export async function listMatching<Row>(
  query: Query & { columns: RawBuilder<unknown>; paging: Paging & { newest?: boolean } },
): Promise<Row[]> {
  const span = await spanOf(query)
  return span ? listWithin(span, query) : []
}

/** As `listMatching`, for a reader of many pages that has the span already. */
export async function listWithin<Row>(
  span: Span,
  query: Query & { columns: RawBuilder<unknown>; paging: Paging & { newest?: boolean } },
): Promise<Row[]> {
  const { db, dialect, filter, paging, columns } = query
  const newest = paging.newest ?? false
  const order = newest ? sql`desc` : sql`asc`
  const common = [...span, ...conditions(filter)]
  if (paging.after !== undefined) common.push(newest ? sql`n < ${paging.after}` : sql`n > ${paging.after}`)

  const branches = branchesOf(dialect, filter).map(branch => every([...branch, ...common]))
  const [only] = branches
  const where =
    branches.length === 1 && only
      ? only
      : sql`n in (select n from (${sql.join(
          branches.map(
            (branch, index) =>
              sql`select n from (select n from events where ${branch} order by n ${order} limit ${paging.limit}) as ${sql.ref(`b${index}`)}`,
          ),
          sql` union all `,
        )}) as matching order by n ${order} limit ${paging.limit})`
  const { rows } = await sql<Row>`
    select ${columns} from events where ${where} order by n ${order} limit ${paging.limit}`.execute(db)
  return rows
}

/** The number of matching events. Takes time in proportion to it. */
export async function countMatching({ db, dialect, filter }: Query): Promise<number> {
  const span = await spanOf({ db, filter })
  if (!span) return 0
  const counts = branchesOf(dialect, filter).map(
    branch => sql`select count(*) as count from events where ${every([...branch, ...span, ...conditions(filter)])}`,
  )
  const { rows } = await sql<{ count: number }>`
    select sum(count) as count from (${sql.join(counts, sql` union all `)}) as counted`.execute(db)
  return Number(rows[0]?.count ?? 0)
}

/** The filter as conditions on the table `events`, joined by `and`, for other statements. */
export function matching(dialect: SqlDialect, filter: EventFilter): RawBuilder<unknown> {
  return every([...memberships(dialect, filter), ...conditions(filter)])
}

type Condition = RawBuilder<unknown>

const isNarrow = (filter: EventFilter): boolean => filter.orderId !== undefined || filter.eventId !== undefined

const every = (parts: readonly Condition[]): Condition => (parts.length > 0 ? sql.join(parts, sql` and `) : sql`1 = 1`)

function conditions(filter: EventFilter): Condition[] {
  const parts: Condition[] = []
  if (filter.eventId !== undefined) parts.push(sql`events.id = ${filter.eventId}`)
  if (filter.orderId !== undefined) parts.push(sql`events.order_id = ${filter.orderId}`)
  if (filter.through !== undefined) parts.push(sql`events.n <= ${filter.through}`)
  if (filter.behind !== undefined) parts.push(sql`events.n > ${filter.behind}`)
  if (filter.since !== undefined) parts.push(sql`events.observed_at >= ${filter.since}`)
  if (filter.until !== undefined) parts.push(sql`events.observed_at < ${filter.until}`)
  return parts
}

function memberships(dialect: SqlDialect, filter: EventFilter): Condition[] {
  const parts: Condition[] = []
  if (filter.types) parts.push(dialect.among(sql`events.type`, filter.types))
  if (filter.connections) parts.push(dialect.among(sql`events.connection`, filter.connections))
  return parts
}

function branchesOf(dialect: SqlDialect, filter: EventFilter): Condition[][] {
  const connections = filter.connections && [...new Set(filter.connections)]
  // The events of a connection are found in order by their type only.
  const types = [...new Set(filter.types ?? (connections ? EventType.options : [null]))]
  const count = types.length * (connections?.length ?? 1)
  // An order has few events, found by its own index. A list that allows nothing gives no branch.
  if (isNarrow(filter) || count === 0 || count > MOST_BRANCHES) return [memberships(dialect, filter)]
  return (connections ?? [null]).flatMap(connection =>
    types.map(type => [
      ...(connection === null ? [] : [sql`events.connection = ${connection}`]),
      ...(type === null ? [] : [sql`events.type = ${type}`]),
    ]),
  )
}

/** Bounds of `n`. */
export type Span = readonly Condition[]

/**
 * Bounds of `n` that hold every event within the bounds of time, from where the paging is. null: there is no event. Takes a short time
 * in proportion to the events in them.
 */
export async function spanOf({
  db,
  filter,
  paging = { limit: 0 },
}: Pick<Query, 'db' | 'filter'> & { paging?: Paging & { newest?: boolean } }): Promise<Span | null> {
  const behind = paging.after !== undefined
  const below = filter.since !== undefined && !(behind && !paging.newest)
  const above = filter.until !== undefined && !(behind && paging.newest)
  if (isNarrow(filter) || (!below && !above)) return []
  // +n: else PostgreSQL walks along n from the other end of the history, to the first event within the bounds.
  const { rows } = await sql<{ first: number | null; last: number | null }>`
    select min(+n) as first, max(+n) as last from events where ${every(conditions(filter))}`.execute(db)
  const [span] = rows
  if (span?.first == null || span.last === null) return null
  return [...(below ? [sql`n >= ${span.first}`] : []), ...(above ? [sql`n <= ${span.last}`] : [])]
}
