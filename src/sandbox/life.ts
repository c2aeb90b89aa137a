import type { Random } from './random.ts'

/**
 * The life of one order of the time-lapse shop, before any vendor's words: what happens to it, and when. Amounts are in minor
 * units, times in milliseconds since the epoch.
 */
export interface Life {
  readonly id: string
  readonly number: string
  readonly buyer: string
  readonly currency: string
  readonly digits: number
  readonly country: string
  readonly method: string
  readonly lines: readonly Item[]
  readonly freight: number
  readonly total: number
  readonly createdAt: number
  updatedAt: number
  paidAt: number | null
  cancelledAt: number | null
  cancelReason: string | null
  packages: Parcel[]
  refunds: Refund[]
}

interface Item {
  readonly id: string
  readonly sku: string
  readonly title: string
  readonly quantity: number
  readonly price: number
}

export interface Parcel {
  readonly id: string
  readonly carrier: string
  /** null: not known yet. */
  trackingNumber: string | null
  readonly lines: readonly Item[]
  readonly createdAt: number
  state: 'shipped' | 'finished'
  updatedAt: number
}

interface Refund {
  readonly id: string
  readonly amount: number
  readonly createdAt: number
  state: 'pending' | 'finished' | 'failed'
  updatedAt: number
}

export interface Step {
  readonly at: number
  readonly happen: (life: Life) => void
}

const GOODS = [
  ['MUG-11', 'Enamel mug', 1290],
  ['TEE-M', 'Printed t-shirt', 2150],
  ['TOTE-1', 'Canvas bag', 1700],
  ['CAP-2', 'Cotton cap', 1495],
  ['PILLOW-5', 'Cushion cover', 2399],
  ['POSTER-A2', 'Poster, A2', 980],
] as const

const CARRIERS = ['USPS', 'DHL', 'UPS'] as const
const PLACES = [
  ['USD', 'US', 2],
  ['USD', 'US', 2],
  ['EUR', 'DE', 2],
  ['JPY', 'JP', 0],
] as const
const METHODS = ['credit_card', 'online', 'apple_pay'] as const

interface Birth {
  readonly id: string
  readonly number: string
  readonly at: number
  readonly buyer: string
  /** Suppliers that know one currency only. */
  readonly dollars: boolean
}

export function createLife(random: Random, { id, number, at, buyer, dollars }: Birth): Life {
  const [currency, country, digits] = dollars ? PLACES[0] : random.pick(PLACES)
  const lines = Array.from({ length: random.between(1, 3) }, (_, index) => {
    const [sku, title, price] = random.pick(GOODS)
    return { id: `${id}-${index + 1}`, sku, title, price, quantity: random.between(1, 2) }
  })
  const freight = random.between(3, 9) * 100
  return {
    id,
    number,
    buyer,
    currency,
    digits,
    country,
    method: random.pick(METHODS),
    lines,
    freight,
    total: lines.reduce((sum, line) => sum + line.price * line.quantity, freight),
    createdAt: at,
    updatedAt: at,
    paidAt: null,
    cancelledAt: null,
    cancelReason: null,
    packages: [],
    refunds: [],
  }
}

export interface Plot {
  readonly random: Random
  /** Speed factor on the times below. */
  readonly speed: number
  /** Suppliers refund before they ship, shops afterwards. */
  readonly refunds: 'before-shipping' | 'after-delivery' | 'never'
  /** Now and then a parcel leaves before its tracking number is known. */
  readonly lateNumbers: boolean
}

/** What will happen to an order after its birth, in order of time. A whole life takes about 20 to 60 s at speed 1. */
export function planLife(life: Life, { random, speed, refunds, lateNumbers }: Plot): readonly Step[] {
  const steps: Step[] = []
  /** Parcels whose tracking number comes later. */
  const late = new Set<number>()
  let at = life.createdAt
  const after = (from: number, to: number, happen: (order: Life, now: number) => void): void => {
    at += random.between(from * 1000, to * 1000) / speed
    const now = Math.round(at)
    steps.push({
      at: now,
      happen(order) {
        happen(order, now)
        order.updatedAt = now
      },
    })
  }
  const pay = (): void =>
    after(0.5, 3, (order, now) => {
      order.paidAt = now
    })
  const cancel = (reason: string): void =>
    after(4, 10, (order, now) => {
      order.cancelledAt = now
      order.cancelReason = reason
    })
  const refund = (amount: number, end: 'finished' | 'failed'): void => {
    const id = `${life.id}-R${steps.length}`
    after(3, 6, (order, now) => order.refunds.push({ id, amount, state: 'pending', createdAt: now, updatedAt: now }))
    after(3, 6, (order, now) => Object.assign(order.refunds.at(-1) ?? {}, { state: end, updatedAt: now }))
  }
  const ship = (lines: readonly Item[], index: number): void => {
    const carrier = random.pick(CARRIERS)
    const trackingNumber = late.has(index) ? null : `TEST${life.number}${index}`
    const id = `${life.id}-P${index + 1}`
    after(3, 8, (order, now) =>
      order.packages.push({ id, carrier, trackingNumber, lines, createdAt: now, state: 'shipped', updatedAt: now }),
    )
  }
  const label = (index: number): void =>
    after(2, 5, (order, now) =>
      Object.assign(order.packages[index] ?? {}, { trackingNumber: `TEST${life.number}${index}`, updatedAt: now }),
    )
  const arrive = (index: number): void =>
    after(3, 8, (order, now) => Object.assign(order.packages[index] ?? {}, { state: 'finished', updatedAt: now }))

  if (random.chance(0.06)) {
    cancel('never paid')
    return steps
  }
  pay()
  if (random.chance(0.08)) {
    if (refunds !== 'never') refund(life.total, 'finished')
    cancel('changed my mind')
    return steps
  }
  const refunded = refunds !== 'never' && random.chance(0.2)
  const amount = random.chance(0.3) ? life.total : Math.floor(life.total / random.between(3, 5))
  const end = random.chance(0.3) ? 'failed' : 'finished'
  // A supplier refunds before it ships, and what it has refunded whole it does not ship.
  if (refunded && refunds === 'before-shipping') {
    refund(amount, end)
    if (amount === life.total && end === 'finished') return steps
  }
  const parcels = parcelsOf(life, random)
  for (const index of parcels.keys()) if (lateNumbers && random.chance(0.25)) late.add(index)
  parcels.forEach(ship)
  for (const index of late) label(index)
  for (const index of parcels.keys()) arrive(index)
  if (refunded && refunds === 'after-delivery') refund(amount, end)
  return steps
}

/** Spreads the lines over one parcel or several. */
function parcelsOf(life: Life, random: Random): readonly (readonly Item[])[] {
  return random.chance(0.4) ? life.lines.map(line => [line]) : [life.lines]
}
