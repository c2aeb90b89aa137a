import { hash } from 'node:crypto'
import type { OrderSnapshot, Package } from '../../schemas/order.ts'
import type { OrderEvent } from '../../schemas/order-event.ts'
import type { Fact } from './fact.ts'
import type { OrderState } from './state.ts'

/**
 * Updates of a shipment: the carrier or the tracking number of a published package became known or changed (case 21). Each pair of the
 * two is published once per package, in the shipped event or as an update. Only packages with an id have updates.
 */

type Tracking = Pick<Package, 'carrier' | 'trackingNumber'>

const digest = (text: string | null): string => (text === null ? '' : hash('sha256', text, 'base64url').slice(0, 11))

/** The key of a pair of one package: compact, because it is in the state, and never changed. */
const pairKey = (packageId: string, { carrier, trackingNumber }: Tracking): string =>
  `${packageId}/${digest(carrier)}.${digest(trackingNumber)}`

const UPDATED = 'shipment_updated:'
export const isUpdateKey = (key: string): boolean => key.startsWith(UPDATED)

interface TrackingFacts {
  readonly facts: readonly Fact[]
  readonly state: Pick<OrderState, 'trackingSaid' | 'trackingAt'>
}

/**
 * `shipped`: the shipped facts of this snapshot, one per package. An older copy of the order (from a lagging index) publishes no tracking:
 * its pair would come after the pair that replaced it.
 */
export function trackingFacts(known: OrderState, snapshot: OrderSnapshot, shipped: readonly Fact[]): TrackingFacts {
  const said = new Set(known.said)
  const first = new Set(known.trackingSaid)
  const isStale = snapshot.updatedAt !== null && known.trackingAt != null && snapshot.updatedAt < known.trackingAt
  const published = [...first, ...known.said.filter(isUpdateKey).map(key => key.slice(UPDATED.length))]
  const publishedOf = (packageId: string) => published.filter(key => packageOf(key) === packageId)
  const facts: Fact[] = []
  let at = known.trackingAt ?? null
  const publish = () => {
    if (snapshot.updatedAt !== null && (at === null || snapshot.updatedAt > at)) at = snapshot.updatedAt
  }
  for (const fact of shipped) {
    if (fact.type !== 'order.shipped' || fact.shipment.packageId === null) continue
    const { shipment } = fact
    const { packageId } = fact.shipment
    if (!said.has(fact.key) || !hasPair(first, packageId)) {
      first.add(pairKey(packageId, shipment))
      publish()
    } else if (!isStale && isNews(shipment, publishedOf(packageId))) {
      facts.push({ type: 'order.shipment_updated', key: UPDATED + pairKey(packageId, shipment), when: null, shipment })
      publish()
    }
  }
  return { facts, state: first.size === 0 ? {} : { trackingSaid: [...first], trackingAt: at } }
}

/** Whether the pair adds something to every published pair of the package. A value that is gone adds nothing. */
function isNews({ carrier, trackingNumber }: Tracking, published: readonly string[]): boolean {
  const [by, number] = [digest(carrier), digest(trackingNumber)]
  return !published.some(key => {
    const [knownBy, knownNumber] = key.slice(key.lastIndexOf('/') + 1).split('.')
    return (by === '' || by === knownBy) && (number === '' || number === knownNumber)
  })
}

const packageOf = (key: string): string => key.slice(0, key.lastIndexOf('/'))
const hasPair = (keys: Iterable<string>, packageId: string): boolean =>
  Iterator.from(keys).some(key => packageOf(key) === packageId)

/** Whether packages were published before pairs were stored: then recall the pairs of their shipped events first. */
export function isTrackingForgotten({ said, trackingSaid = [] }: OrderState, { packages }: OrderSnapshot): boolean {
  const shipped = new Set(said)
  return packages.some(
    ({ packageId }) => packageId !== null && shipped.has(`shipped:${packageId}`) && !hasPair(trackingSaid, packageId),
  )
}

/**
 * The state with the pairs of such packages, from their shipped events; if retention has removed an event, from the last snapshot. Without
 * either, the pair that is seen next counts as published.
 */
export function recallTracking(
  state: OrderState,
  events: Iterable<OrderEvent>,
  last: OrderSnapshot | undefined,
): OrderState {
  const pairs = new Set(state.trackingSaid)
  const recall = (packageId: string | null, tracking: Tracking) => {
    if (packageId !== null && !hasPair(state.trackingSaid ?? [], packageId)) pairs.add(pairKey(packageId, tracking))
  }
  const told = new Set<string | null>()
  for (const event of events) {
    if (event.type !== 'order.shipped') continue
    const { shipment } = event.data
    told.add(shipment.packageId)
    recall(shipment.packageId, shipment)
  }
  const shipped = new Set(state.said)
  for (const parcel of last?.packages ?? [])
    if (!told.has(parcel.packageId) && shipped.has(`shipped:${parcel.packageId}`)) recall(parcel.packageId, parcel)
  return pairs.size === 0 ? state : { ...state, trackingSaid: [...pairs] }
}
