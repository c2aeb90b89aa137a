import type { EventType } from '../../schemas/order-event.ts'
import { sampleEvent } from '../../src/order/sample-event.ts'
import { NEW_ORDER } from '../../src/order/state.ts'
import { snapshot } from '../helpers/snapshots.ts'

/** How much a large store holds. */
export interface Size {
  readonly events: number
  readonly endpoints: number
}

/** Runs one statement, in the words that both databases know. */
type Run = (statement: string) => Promise<void>

const CONNECTIONS = ['shop', 'kk', 'tuya'] as const
const DAYS = 30

/** One order in three orders of magnitude has that many events: 300,000 orders for a million events. */
const ordersOf = ({ events }: Size): number => Math.ceil(events * 0.3)

/** The place of an event, as its order and id: scattered as hashes are. */
const idOf = (n: string): string => `'evt_' || (10000000000 + (${n} * 2654435761) % 4294967296) || '${'x'.repeat(11)}'`
const connectionOf = (order: string): string =>
  `case (${order}) % 3 ${CONNECTIONS.map((id, at) => `when ${at} then '${id}'`).join(' ')} end`

/** A text with marks such as `«id»` as an expression; `columns` says what stands for each mark. */
function filled(text: string, columns: Readonly<Record<string, string>>): string {
  const parts = text.split(/«(\w+)»/)
  return parts
    .map((part, at) => (at % 2 === 1 ? `(${columns[part] ?? 'null'})` : `'${part.replaceAll("'", "''")}'`))
    .join(' || ')
}

/** The events of one type, with marks for what differs. */
function bodyOf(type: EventType, now: number): string {
  const { id, body } = sampleEvent(type, now)
  return body
    .replaceAll(id, '«id»')
    .replaceAll('sample-1001', '«order_id»')
    .replaceAll('"1001"', '"«number»"')
    .replaceAll(/"connection":"sample"/g, '"connection":"«connection»"')
    .replaceAll('/connections/sample', '/connections/«connection»')
    .replaceAll('sample/', '«connection»/')
}

/**
 * Fills a new store by bulk inserts: events of 30 days; attempts of the newer half, at `e0` of every event, at `e1` always failed, at the
 * others in turn, of which every twentieth always fails; dead letters with errors of their own; backlogs; quarantine.
 */
export async function fillLarge(run: Run, size: Size, now: number): Promise<void> {
  const { events, endpoints } = size
  const orders = ordersOf(size)
  const half = Math.floor(events / 2)
  const types = ['order.paid', 'order.shipped', 'order.delivered', 'order.refunded'] as const
  const [order, sequence] = [`((i - 1) % ${orders})`, `((i - 1) / ${orders} + 1)`]
  const observed = (i: string) => `(${now} - (${events} - ${i}) * ${Math.floor((DAYS * 86_400_000) / events)})`
  const orderId = (i: string) => `'order-' || ((${i} - 1) % ${orders})`
  const orderKey = (i: string) => `${connectionOf(`((${i} - 1) % ${orders})`)} || '/' || ${orderId(i)}`
  const columns = {
    id: idOf('i'),
    order_id: orderId('i'),
    number: `100000 + ${order}`,
    connection: connectionOf(order),
  }
  const bodies = types.map((type, at) => `when ${at + 1} then ${filled(bodyOf(type, now), columns)}`)

  await run('create temporary table numbers (i bigint)')
  await run(`insert into numbers with recursive s (i) as (select 1 union all select i + 1 from s where i < ${events})
    select i from s`)

  await run(`insert into endpoints (id, url, secret, state, declared, created_at, updated_at)
    select 'e' || (i - 1), 'https://hooks.example/' || i, 'sealed', case when i % 97 = 0 then 'paused' else 'active' end,
      0, 1, 1 from numbers where i <= ${endpoints}`)

  await run(`insert into orders (connection, order_id, order_number, digest, observed_at, state, snapshot)
    select ${connectionOf('i - 1')}, 'order-' || (i - 1), '' || (100000 + i - 1), 'd', ${observed('i')},
      '${JSON.stringify(NEW_ORDER)}',
      ${filled(JSON.stringify(snapshot({ orderId: '«order_id»', orderNumber: '«number»' })), { order_id: `'order-' || (i - 1)`, number: '100000 + i - 1' })}
    from numbers where i <= ${orders}`)

  await run(`insert into events (id, type, connection, order_id, order_key, sequence, occurred_at, occurred_at_source,
      observed_at, body)
    select ${idOf('i')}, case ${sequence} ${types.map((type, at) => `when ${at + 1} then '${type}'`).join(' ')} end,
      ${connectionOf(order)}, ${orderId('i')}, ${orderKey('i')}, ${sequence}, ${observed('i')} - 4000, 'vendor',
      ${observed('i')},
      case ${sequence} ${bodies.join(' ')} end
    from numbers order by i`)

  await run(`insert into unpublished (connection, n) select connection, n from events where n > ${events - 100}`)

  // The first is told everything, the second fails always, the third is any other.
  const other = `(2 + i % ${endpoints - 2})`
  const fails = `(which = 2 or (which = 3 and ${other} % 20 = 7) or i % 211 = 0)`
  await run(`insert into attempts (destination, event_id, event_n, order_key, attempt, at, outcome, status_code, ms, error,
      response, origin)
    select 'e' || case which when 1 then 0 when 2 then 1 else ${other} end, ${idOf('i')}, i, ${orderKey('i')}, 1,
      ${observed('i')} + 1000, case when ${fails} then 'retry' else 'delivered' end,
      case when ${fails} then case i % 4 when 0 then 500 when 1 then 404 when 2 then 429 end else 200 end, 10 + i % 300,
      case when ${fails} then 'It answered ' || (i % 7) end, 'the beginning of the answer', 'live'
    from numbers, (select 1 as which union all select 2 union all select 3) as kinds
    where i > ${half} and (which <> 2 or i % 5 = 0) order by i`)

  const letters = `i > ${half} and i % 10 = 0`
  await run(`insert into dead_letters (id, destination, event_id, order_key, sequence, at, attempts, last_error, holding)
    select 'dl_' || i, 'e' || (1 + i / 10 % 50), ${idOf('i')}, ${orderKey('i')}, ${sequence}, ${observed('i')}, 9,
      case when i % 20 = 0 then 'It answered 500' else 'request ' || i || ' was refused' end, 0
    from numbers where ${letters} order by i`)

  // One event of a lane each, the newest; half of them for one destination.
  const waits = `i > ${Math.floor(events * 0.9)}`
  const waitsFor = `'e' || case i % 2 when 0 then 3 else 4 + i % 100 end`
  await run(`insert into backlog (destination, order_key, sequence, event_id, observed_at, origin)
    select ${waitsFor}, ${orderKey('i')}, ${sequence}, ${idOf('i')}, ${observed('i')}, 'live' from numbers where ${waits} order by i`)
  await run(`insert into lanes (destination, order_key, key_hash, next_at, attempt, held)
    select ${waitsFor}, ${orderKey('i')}, i % 1000, ${now} + 60000 + i % 100000, 2, 0 from numbers where ${waits}`)

  await run(`insert into quarantine (id, connection, order_id, at, reason, path, value)
    select 'q_' || i, ${connectionOf('i - 1')}, 'order-' || (i - 1), ${observed('i')},
      'expected a time, found something else (' || i % 40 || ')', 'lines[' || i % 9 || '].price', '"x"'
    from numbers where i <= ${Math.ceil(events / 50)} order by i`)
  await run('drop table numbers')
}

/** Of the store that `fillLarge` made: names to ask for. */
export const sample = ({ events }: Size) => {
  const n = events - 1_000
  return {
    eventId: `evt_${10_000_000_000n + ((BigInt(n) * 2_654_435_761n) % 4_294_967_296n)}${'x'.repeat(11)}`,
    order: { connection: 'shop', orderId: 'order-0', number: '100000' },
    letter: `dl_${events}`,
  }
}
