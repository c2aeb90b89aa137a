import type { OrderSnapshot, Package } from '../../schemas/order.ts'
import type { Fact } from './fact.ts'
import { refundFacts } from './refunds.ts'
import type { OrderState } from './state.ts'
import { isUpdateKey, trackingFacts } from './tracking.ts'

/** The new facts in canonical order, and their changes of the state. */
export interface NewFacts {
  readonly facts: readonly Fact[]
  readonly state: Partial<OrderState>
  /** For the log: what was seen and deliberately not published. */
  readonly notes: readonly string[]
  /** When to read the order again although nothing may change (milliseconds); null: no need. */
  readonly recheckAt: number | null
}

/**
 * All facts that the snapshot proves and that were not published before. Derived from the whole snapshot, never from a transition: a
 * missed poll, a skipped state, a restart or an overlap heals itself, and a status that goes backwards yields nothing.
 */
export function newFacts(known: OrderState, snapshot: OrderSnapshot, observedAt: number): NewFacts {
  const said = new Set(known.said)
  const paid = paidFact(snapshot)
  const shipped = shippedFacts(known, snapshot)
  const tracking = trackingFacts(known, snapshot, shipped.facts)
  const delivered = deliveredFacts(known, snapshot)
  const refunded = refundFacts(known, snapshot, observedAt)
  const cancelled = cancelledFact(snapshot)
  const facts = [
    ...paid,
    ...shipped.facts,
    ...tracking.facts,
    ...delivered.facts,
    ...refunded.facts,
    ...cancelled,
  ].filter(fact => {
    const fresh = !said.has(fact.key)
    said.add(fact.key)
    return fresh
  })
  const seen = new Set([...paid, ...shipped.proven, ...delivered.facts, ...cancelled].map(fact => fact.key))
  const gone = known.said.filter(key => !seen.has(key) && !key.startsWith('refunded:') && !isUpdateKey(key))
  return {
    facts,
    state: {
      said: [...said],
      deliveredBy: known.deliveredBy ?? (delivered.facts.length > 0 ? delivered.by : null),
      unidentifiedPackages: shipped.unidentified,
      ...tracking.state,
      ...refunded.state,
    },
    notes: [
      ...shipped.notes,
      ...refunded.notes,
      ...(gone.length > 0 ? [`no longer shown by the vendor, and not taken back: ${gone.join(', ')}`] : []),
    ],
    recheckAt: refunded.recheckAt,
  }
}

function paidFact({ paid, currency }: OrderSnapshot): Fact[] {
  if (!paid) return []
  return [
    {
      type: 'order.paid',
      key: 'paid',
      when: paid.when,
      payment: { amount: paid.amount, currency, method: paid.method },
    },
  ]
}

function cancelledFact({ cancelled }: OrderSnapshot): Fact[] {
  if (!cancelled) return []
  return [
    { type: 'order.cancelled', key: 'cancelled', when: cancelled.when, cancellation: { reason: cancelled.reason } },
  ]
}

/** Identifies a package within its order: by its id, else its tracking number, else as the only one. */
function packageKey({ packageId, carrier, trackingNumber }: Package): string {
  if (packageId !== null) return packageId
  return trackingNumber === null ? '~' : `~${carrier ?? ''}/${trackingNumber}`
}

/**
 * One fact per package. Without package ids, a new tracking number may be a correction or a new package: only as many packages count as
 * are shown at once, and a replacement is logged and not published (case 21).
 */
function shippedFacts(known: OrderState, { packages }: OrderSnapshot) {
  const said = new Set(known.said)
  const proven: Fact[] = []
  const notes: string[] = []
  const unidentified: Fact[] = []
  for (const parcel of packages) {
    if (!parcel.shipped) continue
    const { packageId, carrier, trackingNumber, trackingUrl, lines } = parcel
    const fact: Fact = {
      type: 'order.shipped',
      key: `shipped:${packageKey(parcel)}`,
      when: parcel.shipped.when,
      shipment: { packageId, carrier, trackingNumber, trackingUrl, lines },
    }
    if (proven.some(({ key }) => key === fact.key)) continue
    proven.push(fact)
    if (packageId === null) unidentified.push(fact)
  }
  const fresh = unidentified.filter(({ key }) => !said.has(key))
  const replaced = Math.max(
    0,
    Math.min(fresh.length, fresh.length - (unidentified.length - known.unidentifiedPackages)),
  )
  const corrections = new Set(fresh.slice(0, replaced))
  for (const { key } of corrections) {
    notes.push(`${key} replaces a published shipment: taken as a correction of its tracking, not as another package`)
  }
  return {
    facts: proven.filter(fact => !corrections.has(fact)),
    proven,
    unidentified: known.unidentifiedPackages + fresh.length - replaced,
    notes,
  }
}

/** From the packages if the vendor gives them a status, else from the order. The first one published stays the source. */
function deliveredFacts(known: OrderState, { packages, delivered }: OrderSnapshot) {
  const by = known.deliveredBy ?? (packages.some(({ statusGiven }) => statusGiven) ? 'packages' : 'order')
  const facts: Fact[] = []
  if (by === 'packages') {
    for (const parcel of packages) {
      if (!parcel.delivered) continue
      facts.push({
        type: 'order.delivered',
        key: `delivered:${packageKey(parcel)}`,
        when: parcel.delivered.when,
        delivery: { packageId: parcel.packageId, trackingNumber: parcel.trackingNumber },
      })
    }
  } else if (delivered) {
    facts.push({
      type: 'order.delivered',
      key: 'delivered',
      when: delivered.when,
      delivery: { packageId: null, trackingNumber: null },
    })
  }
  return { by, facts } as const
}
