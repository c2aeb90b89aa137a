import type { OrderEvent } from '../../schemas/order-event.ts'
import type { Kind, Seen } from './chain.ts'
import { leavesOf, type Tree } from './tree.ts'

/**
 * What a row states, read by other means than the program's: everything an event says must be one of these, or null. Amounts and
 * counts are compared as exact fractions, times as instants, words as they are written.
 */

interface Fraction {
  readonly units: bigint
  /** Units are of 10^-places. */
  readonly places: number
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/

function fraction(text: string): Fraction | null {
  const match = NUMBER.exec(text.trim())
  if (!match || text.length > 2_000) return null
  const [, sign = '', whole = '0', decimals = '', exponent = '0'] = match
  return { units: BigInt(`${sign}${whole}${decimals}`), places: decimals.length - Number(exponent) }
}

/** Rounded half up to so many places, as digits. */
function rounded({ units, places }: Fraction, to: number): string {
  const shift = to - places
  const scaled =
    shift >= 0 ? units * 10n ** BigInt(shift) : (units * 2n + 10n ** BigInt(-shift)) / (2n * 10n ** BigInt(-shift))
  return String(scaled)
}

const sameNumber = (a: Fraction, b: Fraction): boolean => {
  const places = Math.max(a.places, b.places, 0)
  return a.units * 10n ** BigInt(places - a.places) === b.units * 10n ** BigInt(places - b.places)
}

interface Stated {
  readonly words: ReadonlySet<string>
  readonly numbers: readonly Fraction[]
  readonly instants: ReadonlySet<number>
}

export function statedBy(trees: readonly Tree[]): Stated {
  const words = new Set<string>()
  const numbers: Fraction[] = []
  const instants = new Set<number>()
  for (const leaf of trees.flatMap(leavesOf)) {
    const text = (leaf.kind === 'raw' ? leaf.text : leaf.value).trim()
    if (text.length > 5_000) continue
    words.add(text)
    const number = fraction(text)
    if (number) {
      numbers.push(number)
      // A whole number may be written in other ways (`1e3`, `-0`); its digits are meant.
      if (leaf.kind === 'raw' && number.places <= 0 && number.places > -30) words.add(rounded(number, 0))
      if (leaf.kind === 'raw') words.add(String(Number(text)))
    }
    for (const instant of readInstants(text)) instants.add(instant)
  }
  return { words, numbers, instants }
}

function readInstants(text: string): number[] {
  const day = /^(\d{4})(\d\d)(\d\d)$/.exec(text)
  const plain = text
    .replace(' ', 'T')
    .replace(',', '.')
    .replace(/\s*UTC$/, 'Z')
    .replace(/([+-]\d\d)$/, '$1:00')
    .replace(/\s/g, '')
  const readings = [text, plain, `${plain}Z`, day ? `${day[1]}-${day[2]}-${day[3]}T00:00:00Z` : '']
  const epochs = /^\d{9,13}$/.test(text) ? [Number(text), Number(text) * 1000] : []
  return [...readings.map(reading => Date.parse(reading)), ...epochs].filter(instant => !Number.isNaN(instant))
}

const MINOR: Readonly<Record<string, number>> = { JPY: 0, KWD: 3 }

/** Sentences about what an event says and the row does not; none: all of it is stated. */
export function invented(event: OrderEvent, body: string, stated: Stated, kind: Kind): string[] {
  const problems: string[] = []
  const { data } = event
  const say = (what: string, value: unknown) =>
    problems.push(`${event.type} ${what}: ${JSON.stringify(value)?.slice(0, 100)}`)
  const word = (what: string, value: string | null) => {
    if (value !== null && !stated.words.has(value)) say(what, value)
  }
  /** Free text: the beginning of a word, with contacts masked and control characters left out. */
  const masked = (what: string, value: string | null) => {
    if (value === null) return
    if ([...value].length > 200 || /\p{Cc}/u.test(value) || /\S@\S/.test(value) || /\d{7}/.test(value)) say(what, value)
    const pieces = value.split(/\[email\]|\[phone\]/).map(onlyShown)
    if (![...stated.words].some(one => isMadeOf(onlyShown(one), pieces))) say(what, value)
  }
  const amount = (what: string, value: string | null, currency: string | null) => {
    if (value === null) return
    const places = MINOR[currency ?? ''] ?? 2
    if (!/^\d+(\.\d+)?$/.test(value) || (value.split('.')[1] ?? '').length !== places)
      return say(`${what} is no amount`, value)
    const digits = String(BigInt(value.replace('.', '')))
    if (!stated.numbers.some(number => number.units >= 0n && rounded(number, places) === digits)) say(what, value)
  }
  const instant = (what: string, value: string | null) => {
    if (value !== null && !stated.instants.has(Date.parse(value))) say(what, value)
  }
  const currencyOf = (what: string, value: string | null) => {
    const given = [...stated.words].some(one => one.toUpperCase() === value)
    if (value !== null && !given && !(kind.startsWith('kakaclo') && value === 'USD')) say(what, value)
  }

  word('orderId', data.orderId)
  word('orderNumber', data.orderNumber)
  if (data.occurredAtSource === 'observed') {
    if (data.occurredAt !== data.observedAt) say('occurredAt', data.occurredAt)
  } else instant('occurredAt', data.occurredAt)
  const { order } = data
  currencyOf('currency', order.currency)
  amount('total', order.total, order.currency)
  instant('placedAt', order.placedAt)
  instant('updatedAt', order.updatedAt)
  // Tuya has two words for one status.
  if (!(kind === 'tuya' && order.status?.split('/').every(part => stated.words.has(part)))) word('status', order.status)
  for (const line of order.lines) {
    word('line id', line.id)
    word('sku', line.sku)
    word('title', line.title)
    amountOfAny(line.price)
  }
  word('country', order.shipTo?.country ?? null)

  function amountOfAny(value: string | null): void {
    // A line may name a currency of its own, which the event does not repeat.
    if (value === null) return
    const places = (value.split('.')[1] ?? '').length
    const digits = String(BigInt(value.replace('.', '')))
    if (!stated.numbers.some(number => number.units >= 0n && rounded(number, places) === digits)) say('price', value)
  }

  switch (event.type) {
    case 'order.paid':
      amount('payment', event.data.payment.amount, event.data.payment.currency)
      currencyOf('payment currency', event.data.payment.currency)
      masked('method', event.data.payment.method)
      break
    case 'order.shipped':
    case 'order.shipment_updated': {
      const { packageId, carrier, trackingNumber, trackingUrl, lines } = event.data.shipment
      word('packageId', packageId)
      word('carrier', carrier)
      word('trackingNumber', trackingNumber)
      word('trackingUrl', trackingUrl)
      if (trackingUrl !== null && !/^https?:/i.test(trackingUrl)) say('trackingUrl is no web address', trackingUrl)
      for (const line of lines) word('shipped line', line.id)
      break
    }
    case 'order.delivered':
      word('packageId', event.data.delivery.packageId)
      word('trackingNumber', event.data.delivery.trackingNumber)
      break
    case 'order.refunded':
      amount('refund', event.data.refund.amount, event.data.refund.currency)
      masked('reason', event.data.refund.reason)
      break
    case 'order.cancelled':
      masked('reason', event.data.cancellation.reason)
      break
  }
  // Numbers as they stand in the bytes, not as JSON.parse would round them.
  for (const [, digits = ''] of body.matchAll(/"quantity":([^,}]+)/g)) {
    if (digits === 'null') continue
    const number = fraction(digits)
    if (/[eE]/.test(digits) || !number || !stated.numbers.some(one => sameNumber(one, number))) say('quantity', digits)
  }
  return problems
}

const onlyShown = (text: string): string => text.toWellFormed().replace(/[\p{Cc}\p{Cf}\s]/gu, '')

/** Whether the pieces stand in the text one after another, the first at its beginning. */
function isMadeOf(text: string, pieces: readonly string[]): boolean {
  let from = 0
  return pieces.every((piece, index) => {
    const at = text.indexOf(piece, from)
    from = at + piece.length
    return index === 0 ? at === 0 : at >= 0
  })
}

/** The events of an order but for when we saw it and by which connection: what another poll must say again to the letter. */
export function gistsOf({ events, bodies, connection }: Seen, orderId: string): string[] {
  return bodies
    .filter((_, index) => events[index]?.data.orderId === orderId)
    .map(body => {
      const { data, id: _, ...rest } = JSON.parse(body)
      const observed = data.occurredAtSource === 'observed' ? { occurredAt: 'then' } : {}
      const text = JSON.stringify({
        ...rest,
        ...(data.occurredAtSource === 'observed' && { time: 'then' }),
        data: { ...data, ...observed, observedAt: 'then' },
      })
      return text.replaceAll(connection, 'C')
    })
}

/** What an order's facts are about: their type, and which package or refund. */
export const factsOf = (events: readonly OrderEvent[], orderId: string): string[] =>
  events.flatMap(event => {
    if (event.data.orderId !== orderId) return []
    switch (event.type) {
      case 'order.shipped':
        return [`shipped ${event.data.shipment.packageId}`]
      case 'order.shipment_updated': {
        const { packageId, carrier, trackingNumber } = event.data.shipment
        return [`updated ${packageId} ${carrier}/${trackingNumber}`]
      }
      case 'order.delivered':
        return [`delivered ${event.data.delivery.packageId}`]
      case 'order.refunded':
        return [`refunded ${event.data.refund.refundId}`]
      default:
        return [event.type]
    }
  })
