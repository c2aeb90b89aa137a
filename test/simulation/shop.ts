import type { Random } from '../../src/sandbox/random.ts'
import { advance, createOrder, type Habits, second, type TrueOrder } from './orders.ts'
import type { Weather } from './port.ts'
import { EPOCH } from './session.ts'
import type { Time } from './time.ts'
import type { Trace } from './trace.ts'

/** `pages`: numbered pages and running totals of refunds (Kakaclo). `cursor`: cursors and records (Shoplazza). `follow`: by buyer (Tuya). */
export type VendorKind = 'pages' | 'cursor' | 'follow'

const HABITS: Record<VendorKind, Habits> = {
  pages: { packageIds: true, arrivalOf: 'packages', refunds: 'totals', updateTimes: true },
  cursor: { packageIds: true, arrivalOf: 'packages', refunds: 'records', updateTimes: true },
  follow: { packageIds: false, arrivalOf: 'order', refunds: 'none', updateTimes: false },
}

/** What the vendor does wrong, as shares of its answers. */
export interface Manners extends Weather {
  limited: number
  refused: number
  tooLarge: number
  wrongPage: number
  late: number
  blind: number
  /** It answers 500 to everything. */
  down: boolean
}

export const calmManners = (): Manners => ({
  lost: 0,
  torn: 0,
  usual: 10,
  worst: 50,
  limited: 0,
  refused: 0,
  tooLarge: 0,
  wrongPage: 0,
  late: 0,
  blind: 0,
  down: false,
})

export interface Listed {
  readonly order: TrueOrder
  /** As it is shown, to the second. */
  readonly updatedAt: number
}

/** What a vendor knows and shows: the hidden truth of its orders, and the index behind its lists, which lags. */
export interface Shop {
  readonly id: string
  readonly kind: VendorKind
  readonly habits: Habits
  readonly orders: ReadonlyMap<string, TrueOrder>
  /** Buyers, where the vendor lists orders by buyer. */
  readonly users: readonly string[]
  readonly manners: Manners
  readonly sorting: 'updated' | 'newest' | 'id'
  /** The vendor's present, milliseconds since the epoch. */
  now(): number
  /** Each order as the index shows it now, sorted; sometimes a little behind. */
  listed(): Listed[]
  /** An order asked for itself; sometimes from a copy that is a little behind. undefined: there is none. */
  order(orderId: string): TrueOrder | undefined
  ofUser(userId: string): Listed[]
  /** Something happens to some order, or a new one is made. */
  live(): void
  /** Every order changes and leaves its update time alone, where the run has such changes. */
  whisper(): void
  /** Many orders change in one second. */
  burst(): void
  /** From now on every row can be read and understood; nobody is told. */
  clear(): void
  /** Since it was cleared the polls must have come past this order once more. */
  seenSinceCleared(orderId: string): boolean
  /** What the `Date` of its answers says. */
  date(): number
  /** Rows that are counted and not listed. */
  readonly phantoms: number
  /** Every list that holds this order fails. */
  isCursed(orderId: string): boolean
  /** From now on no list fails for an order in it; nobody is told. */
  liftCurses(): void
  /** Refunds that were never on record come on record after all. */
  recordAll(): void
  /** When the last row stops changing how it shows, by the world's time. */
  readonly restlessUntil: number
}

export function createShop(deps: {
  id: string
  kind: VendorKind
  time: Time
  random: Random
  trace: Trace
  mostOrders: number
  lagMs: number
  overlapMs: number
  slowRecords: boolean
  /** Some changes leave the update time alone. */
  silent: boolean
  dateOffMs: number
  phantoms: number
  cursed: number
  /** How long a row may be illegible; one without a legible id has to come back while polls still look there. */
  illegibleMs: number
  /** Told of every change, at once. */
  changed: (orderId: string) => void
  /** Ids are made of this number and the order's. */
  number: number
}): Shop {
  const { id, kind, time, random, trace, lagMs } = deps
  const habits = HABITS[kind]
  // Where the `Date` is hours off, the orders go by our clock: no program could know of a third one.
  const skew = (deps.dateOffMs === 0 ? random.between(-240, 240) : random.between(-3, 3)) * 1000
  const users = kind === 'follow' ? ['u1', 'u2', 'u3'] : []
  const orders = new Map<string, TrueOrder>()
  const retired = new Set<TrueOrder>()
  const versions = new Map<string, { readonly visibleAt: number; readonly order: TrueOrder }[]>()
  const sorting = random.pick(['updated', 'newest', 'id'] as const)
  const manners = calmManners()
  let restlessUntil = 0
  let clearedAt = 0
  const cursed = new Set<string>()

  const now = () => EPOCH + time.now + skew

  function publish(order: TrueOrder): void {
    const at = now()
    const lag = random.chance(manners.late) ? random.between(0, lagMs) : random.between(0, 500)
    if (clearedAt === 0 && random.chance(0.03)) order.unreadableUntil = at + random.between(1_000, deps.illegibleMs)
    if (clearedAt === 0 && random.chance(0.03)) order.doubtUntil = at + random.between(5_000, 600_000)
    const known = versions.get(order.id) ?? []
    known.push({ visibleAt: at + lag, order: copyOf(order) })
    versions.set(order.id, known)
    restlessUntil = Math.max(restlessUntil, at + lag)
    trace.note(`${id} ${order.id} changed`)
    deps.changed(order.id)
  }

  function change(order: TrueOrder): void {
    const before = order.updatedAt
    advance(order, random, habits, now())
    if (deps.silent && habits.updateTimes && versions.has(order.id) && random.chance(0.3)) order.updatedAt = before
    publish(order)
  }

  function place(): TrueOrder {
    const order = createOrder(`${deps.number}${1000 + orders.size}`, now(), random, deps.slowRecords)
    orders.set(order.id, order)
    // Not the first: where nothing can be read, it is the vendor's trouble.
    if (habits.updateTimes && orders.size > 2 && cursed.size < deps.cursed && random.chance(0.4)) cursed.add(order.id)
    return order
  }

  const by: (a: Listed, b: Listed) => number = {
    id: (a: Listed, b: Listed) => (a.order.id < b.order.id ? -1 : 1),
    updated: (a: Listed, b: Listed) => a.updatedAt - b.updatedAt || (a.order.id < b.order.id ? -1 : 1),
    newest: (a: Listed, b: Listed) => b.updatedAt - a.updatedAt || (a.order.id < b.order.id ? -1 : 1),
  }[sorting]

  function listed(): Listed[] {
    // Together with the lag of a row still within the overlap of the polls.
    const behind = random.chance(manners.late) ? random.between(0, 15_000) : 0
    const moment = now() - behind
    const shown: Listed[] = []
    for (const known of versions.values()) {
      const latest = known.findLast(({ visibleAt }) => visibleAt <= moment)
      if (latest) shown.push({ order: latest.order, updatedAt: second(latest.order.updatedAt) })
    }
    return shown.sort(by)
  }

  return {
    id,
    kind,
    habits,
    orders,
    users,
    manners,
    sorting,
    now,
    date: () => now() + deps.dateOffMs,
    phantoms: deps.phantoms,
    isCursed: orderId => cursed.has(orderId),
    liftCurses: () => cursed.clear(),
    listed,
    order(orderId) {
      const known = versions.get(orderId)
      if (!known || !random.chance(manners.late)) return known && orders.get(orderId)
      const moment = now() - random.between(0, 15_000)
      return (known.findLast(({ visibleAt }) => visibleAt <= moment) ?? known[0])?.order
    },
    ofUser: userId => listed().filter(({ order }) => users[Number(order.id) % users.length] === userId),
    live() {
      const existing = [...orders.values()].filter(order => !retired.has(order))
      const order =
        orders.size < 3 * deps.mostOrders && (existing.length === 0 || random.chance(0.3))
          ? place()
          : existing[random.between(0, existing.length - 1)]
      if (!order) return
      change(order)
      // Another may be illegible, or not understood, for a while without having changed.
      const other = existing[random.between(0, existing.length)]
      const until = now() + random.between(1_000, deps.illegibleMs / 4)
      if (other && random.chance(0.1)) other.unreadableUntil = until
      else if (other && random.chance(0.15)) {
        other.doubtUntil = Math.max(other.doubtUntil, until)
        deps.changed(other.id)
      }
      // What is missed of an order that never changes again stays missed.
      if (random.chance(0.12)) retired.add(order)
    },
    whisper() {
      if (!deps.silent || !habits.updateTimes) return
      for (const order of orders.values()) {
        const before = order.updatedAt
        advance(order, random, habits, now())
        order.updatedAt = before
        publish(order)
      }
    },
    burst() {
      for (const order of orders.values()) if (!retired.has(order)) change(order)
    },
    clear() {
      clearedAt = now()
      for (const order of orders.values()) {
        order.unreadableUntil = 0
        order.doubtUntil = 0
      }
    },
    seenSinceCleared: orderId =>
      !habits.updateTimes || second(orders.get(orderId)?.updatedAt ?? 0) > clearedAt - deps.overlapMs + 2_000,
    recordAll() {
      if (habits.refunds !== 'records') return
      for (const order of orders.values()) {
        const late = order.refunds.filter(({ onRecordAt }) => onRecordAt > now())
        if (late.length === 0) continue
        for (const refund of late) refund.onRecordAt = now()
        order.updatedAt = now()
        publish(order)
      }
    },
    get restlessUntil() {
      return restlessUntil - EPOCH - skew
    },
  }
}

const copyOf = (order: TrueOrder): TrueOrder => ({
  ...order,
  packages: order.packages.map(parcel => ({ ...parcel, numbers: [...parcel.numbers] })),
  refunds: order.refunds.map(refund => ({ ...refund })),
})
