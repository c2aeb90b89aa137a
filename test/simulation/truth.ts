import type { OrderEvent } from '../../schemas/order-event.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import type { Durable } from './durable.ts'
import { factsOf, refunded, trackingOf } from './orders.ts'
import type { Shop } from './shop.ts'

/** An event as its table has it. */
export interface EventRow {
  readonly n: number
  readonly id: string
  readonly type: EventRecord['type']
  readonly connection: string
  readonly order_id: string
  readonly order_key: string
  readonly sequence: number
}

interface Said extends EventRow {
  readonly event: OrderEvent
}

/** Compares what was said with what is true. */
export interface Truth {
  /** All that was said. */
  events(): readonly EventRow[]
  /** Facts without an event. */
  untold(): string[]
  /** No event says what did not happen, none says twice what happened once, and an order's events are numbered without a gap. */
  judge(violated: (what: string) => void): void
}

/**
 * `datedRises`: the update time tells when a refund happened, so that its records have all of the grace. Of an order that is first seen
 * with a refund, nothing else tells it.
 */
export function createTruth(deps: { durable: Durable; shops: readonly Shop[]; datedRises: boolean }): Truth {
  const { durable, shops } = deps
  /** Events are only ever added, so each is read once. */
  const known: Said[] = []

  function events(): readonly Said[] {
    const after = known.at(-1)?.n ?? 0
    for (const { body, ...row } of durable.query<EventRow & { body: string }>(
      'select n, id, type, connection, order_id, order_key, sequence, body from history where n > ? order by n',
      after,
    ))
      known.push({ ...row, event: JSON.parse(body) as OrderEvent })
    return known
  }

  /** What was said of each order, in the order it was said. */
  const rowsOf = (shop: Shop): Map<string, Said[]> =>
    Map.groupBy(
      events().filter(({ connection }) => connection === shop.id),
      row => row.order_id,
    )

  function untold(): string[] {
    const missing: string[] = []
    for (const shop of shops) {
      const rows = rowsOf(shop)
      for (const order of shop.orders.values()) {
        const said = (rows.get(order.id) ?? []).map(({ event }) => event)
        const keys = new Set(said.flatMap(keysOf))
        for (const fact of factsOf(order, shop.habits))
          if (!keys.has(fact)) missing.push(`${shop.id}/${order.id} ${fact}`)
        const total = refundsOf(said)
        if (total < refunded(order)) missing.push(`${shop.id}/${order.id} refunded ${refunded(order)}, said ${total}`)
      }
    }
    return missing
  }

  function judge(violated: (what: string) => void): void {
    for (const shop of shops)
      for (const [orderId, rows] of rowsOf(shop)) {
        const order = shop.orders.get(orderId)
        if (!order) {
          violated(`events of an order that does not exist: ${orderId}`)
          continue
        }
        const places = rows.map(row => row.sequence)
        if (places.some((place, index) => place !== index + 1)) violated(`${orderId} is numbered ${places}`)
        const said = rows.map(({ event }) => event)
        const truth = new Set([...factsOf(order, shop.habits), ...trackingOf(order)])
        const seen = new Set<string>()
        for (const event of said)
          for (const key of keysOf(event)) {
            if (seen.has(key)) violated(`${orderId} said twice: ${key}`)
            seen.add(key)
            if (event.type !== 'order.refunded' && !truth.has(key)) violated(`${orderId} invented: ${key}`)
          }
        judgeRefunds(shop, orderId, said, violated)
      }
  }

  function judgeRefunds(
    shop: Shop,
    orderId: string,
    said: readonly OrderEvent[],
    violated: (what: string) => void,
  ): void {
    const order = shop.orders.get(orderId)
    const refunds = said.flatMap(event => (event.type === 'order.refunded' ? [event.data.refund] : []))
    if (!order || refunds.length === 0) return
    const total = refundsOf(said)
    if (total > refunded(order)) violated(`${orderId} refunded ${refunded(order)}, said ${total}`)
    const records = refunds.filter(({ refundId }) => refundId.startsWith('R'))
    if (records.length > 0 && records.length < refunds.length) violated(`${orderId} told refunds in two ways`)
    const prompt = !order.recordless && order.refunds.every(({ at, onRecordAt }) => onRecordAt - at < 500_000)
    if (shop.habits.refunds === 'records' && prompt && deps.datedRises && records.length < refunds.length)
      violated(`${orderId} has records of all its refunds, and they were told by totals`)
  }

  return { events, untold, judge }
}

/** What an event says: a package with an id is shipped with its first tracking number. */
function keysOf(event: OrderEvent): string[] {
  if (event.type === 'order.shipment_updated') return [tracking(event.data.shipment)]
  const { packageId = null } = event.type === 'order.shipped' ? event.data.shipment : {}
  if (event.type !== 'order.shipped' || packageId === null) return [keyOf(event)]
  return [keyOf(event), tracking(event.data.shipment)]
}

const tracking = ({ packageId, trackingNumber }: { packageId: string | null; trackingNumber: string | null }) =>
  `tracking ${packageId} ${trackingNumber}`

function keyOf(event: Exclude<OrderEvent, { type: 'order.shipment_updated' }>): string {
  switch (event.type) {
    case 'order.paid':
      return 'paid'
    case 'order.cancelled':
      return 'cancelled'
    case 'order.shipped': {
      const { packageId, trackingNumber } = event.data.shipment
      return `shipped ${packageId ?? trackingNumber}`
    }
    case 'order.delivered': {
      const { packageId } = event.data.delivery
      return packageId === null ? 'delivered' : `delivered ${packageId}`
    }
    case 'order.refunded':
      return `refunded ${event.data.refund.refundId}`
  }
}

const refundsOf = (said: readonly OrderEvent[]): number =>
  said.reduce(
    (sum, event) =>
      event.type === 'order.refunded' ? sum + Math.round(Number(event.data.refund.amount ?? 0) * 100) : sum,
    0,
  )
