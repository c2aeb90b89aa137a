import type { OrderSnapshot, Package, RefundRecord, RefundView, When } from '../../../schemas/order.ts'
import type { OrderLine } from '../../../schemas/order-event.ts'
import type { RestOptions } from '../../../schemas/vendor/rest.ts'
import type { RestLines, RestPackages, RestRefunds, RestRequest } from '../../../schemas/vendor/rest-order.ts'
import { webAddress } from '../../lib/web-address.ts'
import { emptyAsNull, idText } from '../shared/parse.ts'
import { readReason } from '../shared/reason.ts'
import { createReader, reject } from '../shared/row-reader.ts'
import type { Reject } from '../source.ts'
import {
  amountField,
  currencyField,
  type Field,
  idField,
  listField,
  namedAt,
  type Place,
  proofOf,
  quantityField,
  type TimeFormat,
  textField,
  timeField,
} from './rest-fields.ts'
import { createFinder, type Finder, optionalFinder } from './rest-paths.ts'

/** Reads rows of a JSON API as its description says: compiled once, pure afterwards. */
export interface RestReaders {
  /** One order. */
  order(row: unknown): RestRow
  lines(place: Place, currency: string | null): OrderLine[]
  packages(place: Place): Package[]
  refunds(place: Place, currency: string | null): RefundRecord[]
}

export interface RestRow {
  readonly read: OrderSnapshot | Reject
  /** Paths of times without a zone. */
  readonly zoneless: readonly string[]
  /** Lists that are still to be read, by a request of their own. Refunds are where `refund.records` is `delayed`. */
  readonly asks: { readonly lines: boolean; readonly packages: boolean }
}

const NOTHING = { lines: false, packages: false }

const vendorTime = (at: string | null): When => (at === null ? null : { at, source: 'vendor' })

export function createRestReaders({ order: spec, times }: Pick<RestOptions, 'order' | 'times'>): RestReaders {
  const later = {
    lines: spec.lines?.request !== undefined,
    packages: spec.packages?.request !== undefined,
    refunds: spec.refunds?.request !== undefined,
  }
  const asksForLines = asker(spec.lines?.request, 'without it no lines are read')
  const asksForPackages = asker(spec.packages?.request, 'without it no packages are read')
  const findId = createFinder(spec.id)
  const fields = {
    number: textField(spec.number),
    currency: currencyField(spec.currency),
    total: amountField(spec.total),
    placedAt: timeField(spec.placedAt, times),
    updatedAt: timeField(spec.updatedAt, times),
    status: textField(spec.status),
    country: textField(spec.country),
  }
  const lines = spec.lines ? linesReader(spec.lines) : () => []
  const packages = spec.packages ? packagesReader(spec.packages, times) : () => []
  const refunds = spec.refunds ? refundsReader(spec.refunds, times) : () => []
  const readPaid = spec.paid ? paidReader(spec.paid, times) : () => null
  const readDelivered = spec.delivered
    ? happenedReader(spec.delivered, times, 'without it no arrival is told')
    : () => null
  const readCancelled = spec.cancelled ? cancelledReader(spec.cancelled, times) : () => null
  const readRefund = refundReader(spec, times)

  function order(row: unknown): RestRow {
    const refused = (path: string, value: unknown, reason: string): RestRow => ({
      ...{ read: reject(null, path, value, reason), zoneless: [], asks: NOTHING },
    })
    if (typeof row !== 'object' || row === null || Array.isArray(row))
      return refused('', row, 'expected an order: an object')
    const found = findId(row)
    const id = idText(found.value)
    if (id.state === 'absent') return refused(found.path, found.value, 'expected an order with an id')
    if (id.state === 'unreadable') return refused(found.path, found.value, id.reason)

    const read = createReader()
    const place: Place = { read, row, at: '' }
    const currency = fields.currency(place)
    const { amount: total } = fields.total(place, currency)
    const country = fields.country(place)
    const asks = { lines: asksForLines(place), packages: asksForPackages(place) }
    const snapshot: OrderSnapshot = {
      orderId: id.value,
      orderNumber: fields.number(place),
      currency,
      total,
      placedAt: fields.placedAt(place),
      updatedAt: fields.updatedAt(place),
      status: fields.status(place),
      lines: later.lines ? [] : lines(place, currency),
      shipTo: country === null ? null : { country },
      paid: readPaid(place, currency, total),
      packages: later.packages ? [] : packages(place),
      delivered: readDelivered(place),
      refund: readRefund(place, currency, later.refunds ? null : refunds(place, currency)),
      cancelled: readCancelled(place),
      // Gathered while the fields above were read.
      doubts: [...read.doubts],
    }
    return { read: snapshot, zoneless: read.zoneless, asks }
  }

  return { order, lines, packages, refunds }
}

type Spec = RestOptions['order']
type Given<K extends keyof Spec> = NonNullable<Spec[K]>

/** Whether a list of this order is to be read by a request of its own. */
function asker(request: RestRequest | undefined, costs: string): (place: Place) => boolean {
  if (!request) return () => false
  return request.when ? proofOf(request.when, costs) : () => true
}

function paidReader(spec: Given<'paid'>, times: TimeFormat) {
  const isPaid = proofOf(spec.when, 'without it no payment is told')
  const at = timeField(spec.at, times)
  const amount = amountField(spec.amount)
  const method = textField(spec.method)
  return (place: Place, currency: string | null, total: string | null): OrderSnapshot['paid'] => {
    if (!isPaid(place)) return null
    const own = amount(place, currency)
    // What cannot be read is not replaced by another amount.
    return { when: vendorTime(at(place)), amount: own.amount ?? (own.unreadable ? null : total), method: method(place) }
  }
}

function happenedReader(spec: Given<'delivered'>, times: TimeFormat, costs: string) {
  const hasHappened = proofOf(spec.when, costs)
  const at = timeField(spec.at, times)
  return (place: Place) => (hasHappened(place) ? { when: vendorTime(at(place)) } : null)
}

function cancelledReader(spec: Given<'cancelled'>, times: TimeFormat) {
  const { reason: paths, ...happened } = spec
  const read = happenedReader(happened, times, 'without it no cancellation is told')
  const reason = reasonField(optionalFinder(paths))
  return (place: Place): OrderSnapshot['cancelled'] => {
    const cancelled = read(place)
    return cancelled && { ...cancelled, reason: reason(place) }
  }
}

const reasonField =
  (find: Finder | null): Field<string> =>
  place => {
    if (find === null) return null
    const found = find(place.row)
    return readReason(place.read, namedAt(place, found), found.value)
  }

/** `records` null: they are read later, by a request of their own, if the order says so. */
function refundReader({ refunds, refunded }: Spec, times: TimeFormat) {
  const asks = asker(refunds?.request, 'without it no refunds are read')
  const total = amountField(refunded?.total)
  const isFull = refunded?.full ? proofOf(refunded.full, 'without it nothing is said of a full refund') : () => false
  const isPartial = refunded?.partial
    ? proofOf(refunded.partial, 'without it nothing is said of a partial refund')
    : () => false
  const at = timeField(refunded?.at, times)
  const reason = reasonField(optionalFinder(refunded?.reason))

  return (place: Place, currency: string | null, records: readonly RefundRecord[] | null): RefundView | null => {
    const running = total(place, currency)
    const full = isFull(place) ? true : isPartial(place) ? false : null
    const own: RefundView['records'] = !refunds
      ? 'unavailable'
      : records !== null
        ? [...records]
        : asks(place)
          ? 'delayed'
          : []
    const isSignalled = full !== null || running.unreadable || (running.amount !== null && /[1-9]/.test(running.amount))
    if (!isSignalled && own !== 'delayed' && (own === 'unavailable' || own.length === 0)) return null
    return {
      records: own,
      total: running.amount,
      totalUnreadable: running.unreadable,
      full,
      reason: reason(place),
      when: vendorTime(at(place)),
    }
  }
}

function linesReader(spec: RestLines): RestReaders['lines'] {
  const list = listField(spec.rows)
  const [id, sku, title] = [idField(spec.id), textField(spec.sku), textField(spec.title)]
  const [quantity, price] = [quantityField(spec.quantity), amountField(spec.price)]
  return (place, currency) =>
    list(place).map(line => ({
      id: id(line),
      sku: sku(line),
      title: title(line),
      quantity: quantity(line),
      price: price(line, currency).amount,
    }))
}

function packagesReader(spec: RestPackages, times: TimeFormat): RestReaders['packages'] {
  const list = listField(spec.rows)
  const findId = optionalFinder(spec.id)
  const id = idField(spec.id)
  const [carrier, number, url] = [textField(spec.carrier), textField(spec.trackingNumber), textField(spec.trackingUrl)]
  const { when, at } = spec.shipped
  const isShipped = when ? proofOf(when, 'without it no shipping of this package is told') : () => true
  const shippedAt = timeField(at, times)
  const readDelivered = spec.delivered
    ? happenedReader(spec.delivered, times, 'without it no arrival of this package is told')
    : () => null
  const contents = spec.lines && {
    list: listField(spec.lines.rows),
    id: idField(spec.lines.id),
    quantity: quantityField(spec.lines.quantity),
  }
  return place =>
    list(place).map(parcel => {
      const packageId = id(parcel)
      // A package whose id cannot be read would be published again, as another one, once it can.
      const isNamed = findId === null || packageId !== null
      if (!isNamed)
        parcel.read.doubt(
          parcel.at,
          parcel.row,
          'expected a package with an id; it cannot be told from others and waits',
        )
      const delivered = isNamed ? readDelivered(parcel) : null
      const lines = contents?.list(parcel).flatMap(line => {
        const lineId = contents.id(line)
        return lineId === null ? [] : [{ id: lineId, quantity: contents.quantity(line) }]
      })
      return {
        packageId,
        carrier: carrier(parcel),
        trackingNumber: number(parcel),
        trackingUrl: webAddress(url(parcel)),
        lines: lines ?? [],
        statusGiven: spec.delivered !== undefined,
        // A package that arrived was shipped, whatever its other words say.
        shipped: isNamed && (delivered !== null || isShipped(parcel)) ? { when: vendorTime(shippedAt(parcel)) } : null,
        delivered,
      }
    })
}

function refundsReader(spec: RestRefunds, times: TimeFormat): RestReaders['refunds'] {
  const list = listField(spec.rows)
  const id = idField(spec.id)
  const isFinished = spec.when ? proofOf(spec.when, 'without it this refund waits') : () => true
  const amount = amountField(spec.amount)
  const findCurrency = optionalFinder(spec.currency)
  const readCurrency = currencyField(spec.currency)
  const reason = reasonField(optionalFinder(spec.reason))
  const at = timeField(spec.at, times)

  function record(place: Place, orderCurrency: string | null): RefundRecord | null {
    if (!isFinished(place)) return null
    const refundId = id(place)
    if (refundId === null) {
      place.read.doubt(place.at, place.row, 'expected a refund with an id; it cannot be told from others and waits')
      return null
    }
    const isOwn = findCurrency !== null && emptyAsNull(findCurrency(place.row).value) !== null
    const currency = isOwn ? readCurrency(place) : orderCurrency
    return {
      refundId,
      amount: amount(place, currency).amount,
      currency,
      reason: reason(place),
      when: vendorTime(at(place)),
    }
  }

  return (place, currency) => {
    const byId = new Map<string, RefundRecord>()
    for (const each of list(place)) {
      const one = record(each, currency)
      if (one) byId.set(one.refundId, one)
    }
    return [...byId.values()].sort((a, b) => timeOf(a) - timeOf(b))
  }
}

/** Sorts oldest first, so that totals grow in the order the money went; one without a time comes last. */
const timeOf = ({ when }: RefundRecord): number => (when ? Date.parse(when.at) : Number.MAX_VALUE)
