import type { OrderSnapshot, RefundRecord, RefundView } from '../../schemas/order.ts'
import type { Fact } from './fact.ts'
import { addAmounts, compareAmounts, subtractAmounts } from './money.ts'
import type { OrderState } from './state.ts'

/** How long a refund endpoint may answer without a record of a refund that the order shows, before the order's total is believed. */
const RECORD_GRACE_MS = 600_000

interface RefundFacts {
  readonly facts: readonly Fact[]
  readonly state: Pick<OrderState, 'refundBasis' | 'refundTotal' | 'refundWaitingSince'>
  readonly notes: readonly string[]
  readonly recheckAt: number | null
}

/**
 * Refunds come from records, or from the steps of a running total, or are one full refund without an amount; the first one said
 * fixes it for the order, so that no money is ever told twice in two ways.
 */
export function refundFacts(known: OrderState, snapshot: OrderSnapshot, observedAt: number): RefundFacts {
  const view = snapshot.refund
  const none = same(known)
  if (!view || known.refundBasis === 'whole') return none
  const records = typeof view.records === 'string' ? [] : view.records
  const outstanding = isOutstanding(known, view, records)
  const waitingSince = outstanding ? (known.refundWaitingSince ?? sinceWhen(snapshot, observedAt)) : null
  switch (basisOf(known, view, records, waitingSince, observedAt)) {
    case 'records':
      return waiting(fromRecords(known, snapshot, view, records), outstanding ? waitingSince : null, observedAt)
    case 'totals':
      return fromTotal(known, snapshot, view)
    case 'whole':
      return whole(snapshot, view)
    case null:
      return waiting(none, waitingSince, observedAt)
  }
}

function same({ refundBasis, refundTotal, refundWaitingSince }: OrderState): RefundFacts {
  return { facts: [], state: { refundBasis, refundTotal, refundWaitingSince }, notes: [], recheckAt: null }
}

/** The order shows a refund that no finished record stands for (yet). */
function isOutstanding(
  known: OrderState,
  { records, total, full }: RefundView,
  finished: readonly RefundRecord[],
): boolean {
  if (known.refundBasis === 'totals' || (records === 'unavailable' && known.refundBasis === null)) return false
  if (records === 'delayed') return true
  if (total === null) return full !== null && finished.length === 0
  const sum = finished.reduce<string | null>((all, { amount }) => (all && amount ? addAmounts(all, amount) : null), '0')
  return sum !== null && compareAmounts(total, sum) > 0
}

/** No later than the order's last update, if the vendor tells it. */
function sinceWhen({ updatedAt }: OrderSnapshot, observedAt: number): number {
  return updatedAt === null ? observedAt : Math.min(observedAt, Date.parse(updatedAt))
}

function basisOf(
  known: OrderState,
  { records, total, totalUnreadable, full }: RefundView,
  finished: readonly RefundRecord[],
  waitingSince: number | null,
  observedAt: number,
): OrderState['refundBasis'] {
  if (known.refundBasis !== null) return known.refundBasis
  if (finished.length > 0) return 'records'
  if (records === 'delayed' || totalUnreadable) return null
  if (records !== 'unavailable' && (waitingSince === null || observedAt - waitingSince < RECORD_GRACE_MS)) return null
  if (total !== null) return compareAmounts(total, '0') > 0 ? 'totals' : null
  return full === true ? 'whole' : null
}

/** Asks again soon at first, then rarer, up to once an hour; and exactly when the grace ends. */
function waiting(result: RefundFacts, since: number | null, observedAt: number): RefundFacts {
  if (since === null) return { ...result, state: { ...result.state, refundWaitingSince: null } }
  const age = Math.max(0, observedAt - since)
  const pause = Math.min(Math.max(age / 4, 5_000), 3_600_000)
  const graceEnd = since + RECORD_GRACE_MS
  const next = observedAt + pause
  const recheckAt = Math.round(observedAt < graceEnd ? Math.min(next, graceEnd) : next)
  return { ...result, state: { ...result.state, refundWaitingSince: since }, recheckAt }
}

function isFull(snapshot: OrderSnapshot, view: RefundView, running: string | null, last: boolean): boolean {
  if (last && view.full !== null) return view.full
  const paid = snapshot.paid?.amount ?? snapshot.total
  return running !== null && paid !== null && compareAmounts(running, paid) >= 0
}

function fromRecords(
  known: OrderState,
  snapshot: OrderSnapshot,
  view: RefundView,
  records: readonly RefundRecord[],
): RefundFacts {
  const said = new Set(known.said)
  const fresh = records.filter(({ refundId }) => !said.has(`refunded:${refundId}`))
  let running = known.refundBasis === null ? '0' : known.refundTotal
  const facts = fresh.map((record, index): Fact => {
    running = running !== null && record.amount !== null ? addAmounts(running, record.amount) : null
    return {
      type: 'order.refunded',
      key: `refunded:${record.refundId}`,
      when: record.when,
      refund: {
        refundId: record.refundId,
        amount: record.amount,
        currency: record.currency ?? snapshot.currency,
        totalRefunded: running,
        full: isFull(snapshot, view, running, index === fresh.length - 1),
        reason: record.reason ?? view.reason,
      },
    }
  })
  return {
    facts,
    state: { refundBasis: 'records', refundTotal: running, refundWaitingSince: null },
    notes: [],
    recheckAt: null,
  }
}

/** A step of the running total, counted from what was already said: 5 → 12 → 12 is 5 and 7; 12 → 10 → 15 is 3 more (cases 11, 12). */
function fromTotal(known: OrderState, snapshot: OrderSnapshot, view: RefundView): RefundFacts {
  const unchanged = { ...same(known), state: { ...same(known).state, refundWaitingSince: null } }
  if (view.total === null) return unchanged
  const before = known.refundTotal ?? subtractAmounts(view.total, view.total)
  const step = compareAmounts(view.total, before)
  if (step < 0) {
    return { ...unchanged, notes: [`refunded total went from ${before} to ${view.total}: nothing is taken back`] }
  }
  if (step === 0) return unchanged
  const refundId = `${before}-${view.total}`
  return {
    facts: [
      {
        type: 'order.refunded',
        key: `refunded:${refundId}`,
        when: view.when,
        refund: {
          refundId,
          amount: subtractAmounts(view.total, before),
          currency: snapshot.currency,
          totalRefunded: view.total,
          full: isFull(snapshot, view, view.total, true),
          reason: view.reason,
        },
      },
    ],
    state: { refundBasis: 'totals', refundTotal: view.total, refundWaitingSince: null },
    notes: [],
    recheckAt: null,
  }
}

function whole(snapshot: OrderSnapshot, view: RefundView): RefundFacts {
  return {
    facts: [
      {
        type: 'order.refunded',
        key: 'refunded:whole',
        when: view.when,
        refund: {
          refundId: 'whole',
          amount: null,
          currency: snapshot.currency,
          totalRefunded: null,
          full: true,
          reason: view.reason,
        },
      },
    ],
    state: { refundBasis: 'whole', refundTotal: null, refundWaitingSince: null },
    notes: [],
    recheckAt: null,
  }
}
