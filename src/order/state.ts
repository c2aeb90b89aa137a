/** What is remembered of an order between two observations: what was said of it, nothing else. Stored as JSON; never deleted by retention. */
export interface OrderState {
  /** Sequence number of the last event; 0 before the first. */
  readonly sequence: number
  /** Keys of the facts said, see `facts.ts`. */
  readonly said: readonly string[]
  /** What an order's refunds are counted by, fixed by the first one said. `whole`: a full refund without an amount; nothing more is said. */
  readonly refundBasis: 'records' | 'totals' | 'whole' | null
  /** Sum of the refunds said, in the order's currency; null: none yet, or without amounts. */
  readonly refundTotal: string | null
  /** Of refunds by records, the sum in each currency (`''`: not named); null: not known. Absent in states of version 1.0. */
  readonly refundTotals?: Readonly<Record<string, string | null>>
  /** Of refunds by a running total, its currency; null: not named. Absent in states of version 1.0. */
  readonly refundCurrency?: string | null
  /** A refund is shown without a finished record; null: none is. */
  readonly refundWaiting: RefundWaiting | null
  /** Where arrivals are read from, fixed by the first one said. */
  readonly deliveredBy: 'packages' | 'order' | null
  /** How many packages without an id were said to be shipped. */
  readonly unidentifiedPackages: number
  /** Carrier and tracking number that the shipped events said, as keys of `tracking.ts`. Absent in states of version 1.0. */
  readonly trackingSaid?: readonly string[]
  /** The order's latest update time with which a carrier or tracking number was said: an older copy says nothing of them. */
  readonly trackingAt?: string | null
}

/** Milliseconds since the epoch. */
export interface RefundWaiting {
  /** When we first saw it. */
  readonly since: number
  /** When it happened at the latest: the order's update, if the vendor tells it. */
  readonly roseAt: number
  /** When it was first answered that there is no record; null: it could not be asked yet. */
  readonly absentSince: number | null
}

export const NEW_ORDER: OrderState = {
  sequence: 0,
  said: [],
  refundBasis: null,
  refundTotal: null,
  refundWaiting: null,
  deliveredBy: null,
  unidentifiedPackages: 0,
}
