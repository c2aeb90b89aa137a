import type { OrderSnapshot, Package } from '../../schemas/order.ts'
import type { Random } from '../../src/sandbox/random.ts'

/** What truly happens to an order, step by step; what a vendor shows of it is made from this. Times: the vendor's clock, milliseconds. */
export interface TrueOrder {
  readonly id: string
  readonly placedAt: number
  updatedAt: number
  paidAt: number | null
  readonly packages: {
    readonly id: string
    shippedAt: number
    arrivedAt: number | null
    /** All it ever had, the latest last. */
    readonly numbers: string[]
  }[]
  /** Arrival of the whole order, where the vendor says it so. */
  arrivedAt: number | null
  /** In cents. */
  readonly refunds: { readonly id: string; readonly cents: number; readonly at: number; onRecordAt: number }[]
  cancelledAt: number | null
  /** The vendor never makes records of its refunds. */
  readonly recordless: boolean
  /** Milliseconds. */
  readonly recordedWithin: number
  touches: number
  /** Until then its payment cannot be understood, or its whole row cannot be read. */
  doubtUntil: number
  unreadableUntil: number
}

/** What a kind of vendor tells. */
export interface Habits {
  readonly packageIds: boolean
  readonly arrivalOf: 'packages' | 'order'
  readonly refunds: 'records' | 'totals' | 'none'
  readonly updateTimes: boolean
}

/** `slowRecords`: refunds may come on record minutes after the fact, or never. */
export const createOrder = (id: string, at: number, random: Random, slowRecords: boolean): TrueOrder => ({
  id,
  placedAt: at,
  updatedAt: at,
  paidAt: null,
  packages: [],
  arrivedAt: null,
  refunds: [],
  cancelledAt: null,
  recordless: slowRecords && random.chance(0.15),
  recordedWithin: slowRecords ? 240_000 : 20_000,
  touches: 0,
  doubtUntil: 0,
  unreadableUntil: 0,
})

const PRICE = 10_000
export const refunded = ({ refunds }: TrueOrder): number => refunds.reduce((sum, { cents }) => sum + cents, 0)

/** The next thing happens to the order; sometimes several at once, sometimes nothing that matters. */
export function advance(order: TrueOrder, random: Random, habits: Habits, at: number): void {
  const times = random.chance(0.2) ? random.between(2, 4) : 1
  for (let i = 0; i < times; i++) happen(order, random, habits, at)
  order.updatedAt = at
}

function happen(order: TrueOrder, random: Random, habits: Habits, at: number): void {
  const onTheWay = order.packages.filter(({ arrivedAt }) => arrivedAt === null)
  const [parcel] = onTheWay
  const left = PRICE - refunded(order)
  if (order.paidAt === null && random.chance(0.75)) order.paidAt = at
  else if (order.cancelledAt === null && random.chance(0.06)) order.cancelledAt = at
  else if (order.paidAt !== null && order.packages.length < 3 && order.arrivedAt === null && random.chance(0.5))
    order.packages.push(parcelOf(`${order.id}-P${order.packages.length + 1}`, at))
  else if (parcel && habits.packageIds && random.chance(0.15)) relabel(parcel, random)
  else if (parcel && habits.arrivalOf === 'packages' && random.chance(0.6)) parcel.arrivedAt = at
  else if (habits.arrivalOf === 'order' && order.packages.length > 0 && order.arrivedAt === null && random.chance(0.4))
    order.arrivedAt = at
  else if (habits.refunds !== 'none' && order.paidAt !== null && left > 0 && random.chance(0.5)) {
    const cents = random.chance(0.3) ? left : random.between(1, left)
    const onRecordAt = at + (order.recordless ? Number.POSITIVE_INFINITY : random.between(0, order.recordedWithin))
    order.refunds.push({ id: `R${order.refunds.length + 1}`, cents, at, onRecordAt })
  } else order.touches++
}

const parcelOf = (id: string, shippedAt: number): TrueOrder['packages'][number] => ({
  id,
  shippedAt,
  arrivedAt: null,
  numbers: [`T-${id}`],
})

/** Another tracking number, or one of before again. */
function relabel({ id, numbers }: TrueOrder['packages'][number], random: Random): void {
  const again = random.chance(0.2) ? numbers.at(-2) : undefined
  numbers.push(again ?? `T-${id}-${numbers.length + 1}`)
}

const trackingNumber = ({ numbers }: TrueOrder['packages'][number]): string => numbers.at(-1) ?? ''

const time = (ms: number): string => new Date(ms).toISOString()
const when = (ms: number) => ({ at: time(ms), source: 'vendor' as const })
const money = (cents: number): string => (cents / 100).toFixed(2)

/** The order as the feed shows it. */
export function show(order: TrueOrder, habits: Habits, now: number): OrderSnapshot {
  const sum = refunded(order)
  const doubtful = order.doubtUntil > now
  return {
    orderId: order.id,
    orderNumber: null,
    currency: 'USD',
    total: money(PRICE),
    placedAt: time(order.placedAt),
    updatedAt: habits.updateTimes ? time(second(order.updatedAt)) : null,
    status: `touched ${order.touches}`,
    lines: [],
    shipTo: null,
    paid: order.paidAt === null || doubtful ? null : { when: when(order.paidAt), amount: money(PRICE), method: 'card' },
    packages: order.packages.map(
      (parcel): Package => ({
        packageId: habits.packageIds ? parcel.id : null,
        carrier: 'UPS',
        trackingNumber: trackingNumber(parcel),
        trackingUrl: null,
        lines: [],
        statusGiven: habits.arrivalOf === 'packages',
        shipped: { when: when(parcel.shippedAt) },
        delivered: parcel.arrivedAt === null ? null : { when: when(parcel.arrivedAt) },
      }),
    ),
    delivered: order.arrivedAt === null ? null : { when: when(order.arrivedAt) },
    refund:
      habits.refunds === 'none' || sum === 0
        ? null
        : {
            records: habits.refunds === 'records' ? 'delayed' : 'unavailable',
            total: money(sum),
            totalUnreadable: false,
            full: null,
            reason: null,
            when: null,
          },
    cancelled: order.cancelledAt === null ? null : { when: when(order.cancelledAt), reason: null },
    doubts: doubtful ? [{ path: 'payment', value: '"?"', reason: 'a known word was expected' }] : [],
  }
}

export const second = (ms: number): number => Math.floor(ms / 1000) * 1000

/** With what the records of refunds say now; `now` null: they cannot be read. */
export function withRecords(snapshot: OrderSnapshot, order: TrueOrder | undefined, now: number | null): OrderSnapshot {
  if (!snapshot.refund || snapshot.refund.records === 'unavailable' || !order || now === null) return snapshot
  const records = order.refunds
    .filter(({ onRecordAt }) => onRecordAt <= now)
    .map(({ id, cents, at }) => ({ refundId: id, amount: money(cents), currency: 'USD', reason: null, when: when(at) }))
  return { ...snapshot, refund: { ...snapshot.refund, records } }
}

/** Every tracking number that the order's packages ever had: some may come and go between two polls. */
export const trackingOf = (order: TrueOrder): string[] =>
  order.packages.flatMap(({ id, numbers }) => numbers.map(number => `tracking ${id} ${number}`))

/** All facts but refunds, as keys that a stored event can be compared with. */
export function factsOf(order: TrueOrder, habits: Habits): string[] {
  return [
    ...(order.paidAt === null ? [] : ['paid']),
    ...order.packages.map(({ id }) => `shipped ${habits.packageIds ? id : `T-${id}`}`),
    ...(habits.packageIds ? order.packages.map(parcel => `tracking ${parcel.id} ${trackingNumber(parcel)}`) : []),
    ...order.packages.flatMap(({ id, arrivedAt }) => (arrivedAt === null ? [] : [`delivered ${id}`])),
    ...(order.arrivedAt === null ? [] : ['delivered']),
    ...(order.cancelledAt === null ? [] : ['cancelled']),
  ]
}
