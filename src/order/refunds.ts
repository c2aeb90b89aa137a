import type { OrderSnapshot, RefundRecord, RefundView } from '../../schemas/order.ts'
import type { Fact } from './fact.ts'
import { addAmounts, compareAmounts, subtractAmounts } from './money.ts'
import type { OrderState, RefundWaiting } from './state.ts'

/** How long to wait for the record of a refund that the order shows, before the order's total is believed. */
const RECORD_GRACE_MS = 600_000
/** The vendor must answer without the record for at least this long: one answer alone proves nothing. */
const LEAST_GRACE_MS = 20_000

interface RefundFacts {
  readonly facts: readonly Fact[]
  readonly state: Pick<
    OrderState,
    'refundBasis' | 'refundTotal' | 'refundTotals' | 'refundCurrency' | 'refundWaiting' | 'refundsClearAt'
  >
  readonly notes: readonly string[]
  readonly recheckAt: number | null
}

/**
 * Refunds are counted by records, by the steps of a running total, or as one full refund without an amount. The first one published fixes
 * the way for the order, so no money is published twice.
 */
export function refundFacts(known: OrderState, snapshot: OrderSnapshot, observedAt: number): RefundFacts {
  const view = snapshot.refund
  const records = !view || typeof view.records === 'string' ? [] : view.records.filter(isRefund)
  const isClear = !view || known.refundBasis === 'whole' || !isOutstanding(known, snapshot, view, records)
  const wait = isClear ? null : waitOf(known, snapshot, view, observedAt)
  const result = view ? factsOf(known, snapshot, view, records, wait, observedAt) : same(known)
  if (!isClear) return result
  return { ...result, state: { ...result.state, refundsClearAt: laterOf(known.refundsClearAt, snapshot.updatedAt) } }
}

function factsOf(
  known: OrderState,
  snapshot: OrderSnapshot,
  view: RefundView,
  records: readonly RefundRecord[],
  wait: RefundWaiting | null,
  observedAt: number,
): RefundFacts {
  if (known.refundBasis === 'whole') return same(known)
  switch (basisOf(known, view, records, wait, observedAt)) {
    case 'records':
      return waiting(fromRecords(known, snapshot, view, records), known, wait, observedAt)
    case 'totals':
      return fromTotal(known, snapshot, view)
    case 'whole':
      return whole(snapshot, view)
    case null:
      return waiting(same(known), known, wait, observedAt)
  }
}

/** A finished record of nothing (goods put back in stock) is no refund (case 44). */
const isRefund = ({ amount }: RefundRecord): boolean => amount === null || compareAmounts(amount, '0') > 0

function same({ refundBasis, refundTotal, refundWaiting }: OrderState): RefundFacts {
  return { facts: [], state: { refundBasis, refundTotal, refundWaiting }, notes: [], recheckAt: null }
}

/** Whether the order shows a refund without a finished record. */
function isOutstanding(
  known: OrderState,
  { currency }: OrderSnapshot,
  { records, total, full }: RefundView,
  finished: readonly RefundRecord[],
): boolean {
  if (known.refundBasis === 'totals' || (records === 'unavailable' && known.refundBasis === null)) return false
  if (records === 'delayed') return true
  if (total === null) return full !== null && finished.length === 0
  // The order's total cannot be compared with records in other currencies (case 45).
  if (finished.some(record => record.currency !== currency)) return false
  const sum = finished.reduce<string | null>((all, { amount }) => (all && amount ? addAmounts(all, amount) : null), '0')
  return sum !== null && compareAmounts(total, sum) > 0
}

function waitOf(
  known: OrderState,
  { updatedAt }: OrderSnapshot,
  { records }: RefundView,
  observedAt: number,
): RefundWaiting {
  // Some refunds do not move the update time (case 47): then it says nothing about when the refund happened.
  const isMoved = updatedAt !== null && (!known.refundsClearAt || updatedAt > known.refundsClearAt)
  const roseAt = isMoved ? Math.min(observedAt, Date.parse(updatedAt)) : observedAt
  const wait = known.refundWaiting ?? { since: observedAt, roseAt, absentSince: null }
  return { ...wait, absentSince: wait.absentSince ?? (records === 'delayed' ? null : observedAt) }
}

/** Both are times in UTC as text of one form. */
const laterOf = (one: string | null | undefined, other: string | null): string | null =>
  one && (!other || one > other) ? one : other

/** When the order's total is believed; null: the vendor has not answered about records yet. */
function graceEnd({ roseAt, absentSince }: RefundWaiting): number | null {
  return absentSince === null ? null : Math.max(roseAt + RECORD_GRACE_MS, absentSince + LEAST_GRACE_MS)
}

function basisOf(
  known: OrderState,
  { records, total, totalUnreadable, full }: RefundView,
  finished: readonly RefundRecord[],
  wait: RefundWaiting | null,
  observedAt: number,
): OrderState['refundBasis'] {
  if (known.refundBasis !== null) return known.refundBasis
  if (finished.length > 0) return 'records'
  if (records === 'delayed' || totalUnreadable) return null
  if (records !== 'unavailable') {
    const end = wait && graceEnd(wait)
    if (end === null || observedAt < end) return null
  }
  if (total !== null) return compareAmounts(total, '0') > 0 ? 'totals' : null
  return full === true ? 'whole' : null
}

/** Reads again soon at first, then more and more rarely, at least once an hour, and exactly when the grace ends. */
function waiting(result: RefundFacts, known: OrderState, wait: RefundWaiting | null, observedAt: number): RefundFacts {
  const state = { ...result.state, refundWaiting: wait }
  if (wait === null) return { ...result, state }
  const pause = Math.min(Math.max((observedAt - wait.since) / 4, 5_000), 3_600_000)
  const end = graceEnd(wait)
  const next = observedAt + pause
  const recheckAt = Math.round(end !== null && observedAt < end ? Math.min(next, end) : next)
  const news = known.refundWaiting === null && wait.absentSince === null
  const notes = news ? ['the refund records cannot be read now; the refund waits, and they are read again'] : []
  return { ...result, state, notes: [...result.notes, ...notes], recheckAt }
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
  const isSaid = ({ refundId }: RefundRecord) => said.has(`refunded:${refundId}`)
  const fresh = records.filter(record => !isSaid(record))
  if (fresh.length === 0) return { ...same(known), state: { ...same(known).state, refundWaiting: null } }
  const totals = createTotals(known, snapshot, view)
  const isMixed = totals.mixedWith([snapshot.currency, ...records.map(({ currency }) => currency)])
  const facts = fresh.map((record, index): Fact => {
    const running = totals.add(record)
    return {
      type: 'order.refunded',
      key: `refunded:${record.refundId}`,
      when: record.when,
      refund: {
        refundId: record.refundId,
        amount: record.amount,
        currency: record.currency,
        totalRefunded: running,
        full: isMixed ? null : isFull(snapshot, view, running, index === fresh.length - 1),
        reason: record.reason ?? view.reason,
      },
    }
  })
  const refundTotals = totals.all()
  return {
    facts,
    state: {
      refundBasis: 'records',
      refundTotal: refundTotals[snapshot.currency ?? ''] ?? null,
      refundTotals,
      refundWaiting: null,
    },
    notes: [],
    recheckAt: null,
  }
}

/** The sums of the published refunds by currency: amounts of two currencies are never added (case 45). */
function createTotals(known: OrderState, snapshot: OrderSnapshot, view: RefundView) {
  const totals = new Map(Object.entries(known.refundTotals ?? {}))
  const add = ({ amount, currency }: Pick<RefundRecord, 'amount' | 'currency'>): string | null => {
    const before = totals.get(currency ?? '')
    const sum = before === null || amount === null ? null : addAmounts(before ?? '0', amount)
    totals.set(currency ?? '', sum)
    return sum
  }
  if (!known.refundTotals && known.refundBasis === 'records') recallTotals()

  /** Version 1.0 kept one sum for all currencies. It is right for one currency; else add the published records again. */
  function recallTotals(): void {
    const keys = new Set(known.said.filter(key => key.startsWith('refunded:')))
    const shown = typeof view.records === 'string' ? [] : view.records
    const said = shown.filter(({ refundId }) => keys.has(`refunded:${refundId}`))
    if (said.every(({ currency }) => currency === snapshot.currency)) {
      totals.set(snapshot.currency ?? '', known.refundTotal)
      return
    }
    const isWhole = said.length === keys.size
    for (const record of said) add(isWhole ? record : { ...record, amount: null })
  }

  return {
    add,
    all: () => Object.fromEntries(totals),
    mixedWith: (currencies: readonly (string | null)[]): boolean =>
      new Set([...totals.keys(), ...currencies.map(currency => currency ?? '')]).size > 1,
  }
}

/** A step of the running total above what was published: 5 → 12 → 12 gives 5 and 7; 12 → 10 → 15 gives 3 more (cases 11, 12). */
function fromTotal(known: OrderState, snapshot: OrderSnapshot, view: RefundView): RefundFacts {
  const unchanged = { ...same(known), state: { ...same(known).state, refundWaiting: null } }
  if (view.total === null) return unchanged
  const before = known.refundTotal ?? subtractAmounts(view.total, view.total)
  const step = compareAmounts(view.total, before)
  if (step < 0) {
    return { ...unchanged, notes: [`refunded total went from ${before} to ${view.total}: nothing is taken back`] }
  }
  if (step === 0) return unchanged
  const refundId = `${before}-${view.total}`
  const { currency } = snapshot
  // Totals in two currencies have no difference: the refund is certain, its amount is not.
  const was = known.refundCurrency ?? currency
  const isChanged = known.refundTotal !== null && currency !== null && was !== currency
  return {
    facts: [
      {
        type: 'order.refunded',
        key: `refunded:${refundId}`,
        when: view.when,
        refund: {
          refundId,
          amount: isChanged ? null : subtractAmounts(view.total, before),
          currency,
          totalRefunded: view.total,
          full: isChanged ? null : isFull(snapshot, view, view.total, true),
          reason: view.reason,
        },
      },
    ],
    state: {
      refundBasis: 'totals',
      refundTotal: view.total,
      refundCurrency: currency ?? known.refundCurrency ?? null,
      refundWaiting: null,
    },
    notes: isChanged
      ? [`refunded total went from ${before} ${was} to ${view.total} ${currency}: no amount is told`]
      : [],
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
    state: { refundBasis: 'whole', refundTotal: null, refundWaiting: null },
    notes: [],
    recheckAt: null,
  }
}
