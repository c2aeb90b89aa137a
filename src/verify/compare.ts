import type { Vendor } from '../../schemas/common.ts'
import type { OrderSnapshot } from '../../schemas/order.ts'
import type { EventOf, OrderEvent } from '../../schemas/order-event.ts'
import { decide } from '../order/decide.ts'
import { eventIdOf } from '../order/event-id.ts'
import type { Fact } from '../order/fact.ts'
import { newFacts } from '../order/facts.ts'
import { compareAmounts } from '../order/money.ts'
import { NEW_ORDER } from '../order/state.ts'
import { isTrackingForgotten, isUpdateKey, recallTracking } from '../order/tracking.ts'
import type { OrderRow } from '../store/port/orders.ts'

/** An order as the vendor shows it now, and what was published of it. */
export interface Comparison {
  readonly vendor: Vendor
  /** As it was last seen. */
  readonly row: OrderRow
  /** Its events, by id; old ones may be gone. */
  readonly told: ReadonlyMap<string, OrderEvent>
  readonly shown: OrderSnapshot
  /** Milliseconds since the epoch, by our clock. */
  readonly now: number
}

export interface Difference {
  readonly kind: 'missing' | 'different' | 'fuller' | 'gone'
  readonly type: OrderEvent['type'] | null
  readonly event?: string
  readonly what: string
}

/**
 * Derives what the snapshot proves, by the same functions as ingest, and compares it with what was published. Pure. Facts that wait (a
 * refund without its record) are not missing yet.
 */
export function compare(comparison: Comparison): Difference[] {
  const { row, shown, vendor, now, told } = comparison
  const { connection, orderId, state } = row
  const idOf = ({ type, key }: Pick<Fact, 'type' | 'key'>) => eventIdOf(connection, orderId, type, key)
  const recalled = isTrackingForgotten(state, shown) ? recallTracking(state, told.values(), row.snapshot) : state
  const { events } = decide(recalled, { connection, vendor, snapshot: shown, observedAt: now })
  const missing = events.map(
    ({ id, type }): Difference => ({ kind: 'missing', type, event: id, what: `${type} was never published` }),
  )

  const proven = newFacts({ ...NEW_ORDER, deliveredBy: state.deliveredBy }, { ...shown, refund: null }, now).facts
  const said = new Set(state.said)
  const missingIds = new Set(events.map(({ id }) => id))
  const values = proven
    .filter(({ key }) => said.has(key))
    .flatMap(fact => valuesOf(fact, told.get(idOf(fact)), idOf(fact)))
  // Proven but never to be published: a tracking number that replaced another (case 21).
  const corrections = proven.filter(fact => !said.has(fact.key) && !missingIds.has(idOf(fact)))
  const replaced = corrections.map(
    ({ type, key }): Difference => ({
      kind: 'different',
      type,
      what: `${type} now shows ${after(key)}, in place of what was published`,
    }),
  )
  const keys = new Set(proven.map(({ key }) => key))
  const gone = state.said.filter(key => !keys.has(key) && !key.startsWith('refunded:') && !isUpdateKey(key))
  const corrected = new Set(gone.filter(key => key.startsWith('shipped:~')).slice(0, corrections.length))
  const vanished = gone
    .filter(key => !corrected.has(key))
    .map((key): Difference => ({ kind: 'gone', type: null, what: `"${key}" was published and is not shown` }))
  return [...missing, ...values, ...replaced, ...vanished, ...refundDifferences(comparison)]
}

const after = (key: string): string => key.slice(key.indexOf(':') + 1)

function valuesOf(fact: Fact, told: OrderEvent | undefined, event: string): Difference[] {
  const pairs: (readonly [name: string, told: string | null, shown: string | null])[] = []
  if (fact.type === 'order.paid' && told?.type === fact.type)
    pairs.push(
      ['amount', told.data.payment.amount, fact.payment.amount],
      ['currency', told.data.payment.currency, fact.payment.currency],
    )
  if (fact.type === 'order.shipped' && told?.type === fact.type)
    pairs.push(...trackingPair(told.data.shipment, fact.shipment))
  return pairs.flatMap(([name, was, is]) => difference(fact.type, event, name, was, is))
}

type Shipment = EventOf<'order.shipped'>['data']['shipment']

/** For a package with an id, a changed number is an event of its own, so it is no difference here. */
const trackingPair = (told: Shipment, shown: Shipment): (readonly [string, string | null, string | null])[] =>
  shown.packageId === null || shown.trackingNumber === null
    ? [['tracking number', told.trackingNumber, shown.trackingNumber]]
    : []

function difference(
  type: Fact['type'],
  event: string,
  name: string,
  told: string | null,
  shown: string | null,
): Difference[] {
  if (told === shown || (name === 'amount' && told !== null && shown !== null && compareAmounts(told, shown) === 0))
    return []
  const kind = told === null ? 'fuller' : shown === null ? 'gone' : 'different'
  return [
    {
      kind,
      type,
      event,
      what: `${type} published the ${name} ${told ?? 'as not given'}, the vendor shows ${shown ?? 'none'}`,
    },
  ]
}

/** Differences of refunds, by how they are counted. Records that cannot be read now (`delayed`, `unavailable`) prove nothing. */
function refundDifferences({ row, shown, told }: Comparison): Difference[] {
  const { refund } = shown
  const { connection, orderId, state } = row
  const type = 'order.refunded'
  const said = state.said.filter(key => key.startsWith('refunded:'))
  if (state.refundBasis === 'records') {
    if (typeof refund?.records === 'string') return []
    const records = new Map((refund?.records ?? []).map(record => [`refunded:${record.refundId}`, record]))
    return said.flatMap(key => {
      const record = records.get(key)
      if (!record) return [{ kind: 'gone', type, what: `"${key}" was published and is not shown` }]
      const event = eventIdOf(connection, orderId, type, key)
      const earlier = told.get(event)
      if (earlier?.type !== type) return []
      return difference(type, event, 'amount', earlier.data.refund.amount, record.amount)
    })
  }
  const { refundTotal, refundCurrency = null } = state
  // Totals in two currencies cannot be compared.
  if (refundCurrency !== null && shown.currency !== null && shown.currency !== refundCurrency) return []
  if (state.refundBasis === 'totals' && refundTotal !== null && refund?.total != null) {
    if (compareAmounts(refund.total, refundTotal) >= 0) return []
    return [{ kind: 'gone', type, what: `refunds of ${refundTotal} were published, the vendor shows ${refund.total}` }]
  }
  if (state.refundBasis === 'whole' && refund?.full !== true)
    return [{ kind: 'gone', type, what: 'a refund of the whole order was published and is not shown' }]
  return []
}
