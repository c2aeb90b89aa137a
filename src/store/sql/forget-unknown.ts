import { type Selectable, sql } from 'kysely'
import type { OrderState } from '../../order/state.ts'
import { dropEmptyLanes, lockLanes, type Part } from './backlog.ts'
import type { Schema } from './tables.ts'

/**
 * Removes events that the state of their order does not know, with what waits of them. The store went back: a standby that was behind
 * took over, or a backup was restored. The event log still held these events, so a failed delivery put them back into the history. Their
 * facts are derived anew, maybe in another order, and published again under the same ids.
 */
export async function forgetUnknown(part: Part, connection: string, orderIds: readonly string[]): Promise<void> {
  const { trx, dialect } = part
  const { rows: orders } = await sql<Pick<Selectable<Schema['orders']>, 'order_id' | 'state'>>`
    select order_id, state from orders
    where connection = ${connection} and ${dialect.among(sql`order_id`, orderIds)}`.execute(trx)
  const last = new Map(orders.map(row => [row.order_id, (JSON.parse(row.state) as OrderState).sequence]))
  const known = dialect.rows(
    'known',
    { order_id: 'text', sequence: 'int' },
    orderIds.map(id => [id, last.get(id) ?? 0]),
  )
  const { rows: unknown } = await sql<{ id: string; n: number }>`
    select events.id, events.n from events join ${known} on events.order_id = known.order_id
    where events.connection = ${connection} and events.sequence > known.sequence`.execute(trx)
  const ids = unknown.map(({ id }) => id)
  if (ids.length === 0) return
  const { rows: lanes } = await sql<{ destination: string; order_key: string }>`
    select distinct destination, order_key from backlog where ${dialect.among(sql`event_id`, ids)}`.execute(trx)
  const held = await lockLanes(
    part,
    lanes.map(row => ({ destination: row.destination, orderKey: row.order_key })),
  )
  await sql`delete from backlog where ${dialect.among(sql`event_id`, ids)}`.execute(trx)
  await dropEmptyLanes(part, held)
  const places = unknown.map(({ n }) => n)
  await sql`
    delete from unpublished
    where connection = ${connection} and ${dialect.among(sql`n`, places, 'int')}`.execute(trx)
  await sql`delete from events where ${dialect.among(sql`id`, ids)}`.execute(trx)
}
