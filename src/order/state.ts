/**
 * What is remembered of an order between two observations: which facts were published. Retention never deletes it. Stored as JSON, so the
 * member names (`said` and others) cannot change.
 */
export interface OrderState {
  /** Sequence number of the last event; 0 before the first. */
  readonly sequence: number
  /** Keys of the published facts (`facts.ts`). */
  readonly said: readonly string[]
  /** How the refunds of the order are counted, fixed by the first one published. `whole`: one full refund without an amount, and none after it. */
  readonly refundBasis: 'records' | 'totals' | 'whole' | null
  /** Sum of the published refunds, in the order's currency; null: none yet, or without amounts. */
  readonly refundTotal: string | null
  /** For refunds by records: the sum in each currency (`''`: not named); null: not known. Absent in states of version 1.0. */
  readonly refundTotals?: Readonly<Record<string, string | null>>
  /** For refunds by a running total: its currency; null: not named. Absent in states of version 1.0. */
  readonly refundCurrency?: string | null
  /** Set while the order shows a refund without a finished record. */
  readonly refundWaiting: RefundWaiting | null
  /** The latest update time of the order with which it showed no refund without a record. Absent in states of version 1.0. */
  readonly refundsClearAt?: string | null
  /** Where deliveries are read from, fixed by the first one published. */
  readonly deliveredBy: 'packages' | 'order' | null
  /** How many packages without an id were published as shipped. */
  readonly unidentifiedPackages: number
  /** Carrier and tracking number of the shipped events, as keys of `tracking.ts`. Absent in states of version 1.0. */
  readonly trackingSaid?: readonly string[]
  /** The latest update time of the order with which tracking was published. Older copies of the order publish none. */
  readonly trackingAt?: string | null
}

/** Milliseconds since the epoch. */
export interface RefundWaiting {
  /** When we first saw it. */
  readonly since: number
  /** The latest time it can have happened: the order's update time, if that moved with the refund. */
  readonly roseAt: number
  /** When the vendor first answered that there is no record; null: it has not answered yet. */
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
