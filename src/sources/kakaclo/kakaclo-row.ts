import type { OrderSnapshot, RefundView, When } from '../../../schemas/order.ts'
import type { OrderLine } from '../../../schemas/order-event.ts'
import { KakacloAddress, KakacloItem, KakacloOrder } from '../../../schemas/vendor/kakaclo.ts'
import { orderHead } from '../shared/order-head.ts'
import { emptyAsNull, textOf } from '../shared/parse.ts'
import { createReader, type RowReader } from '../shared/row-reader.ts'
import type { Reject } from '../source.ts'
import { readKakacloPackages } from './kakaclo-packages.ts'

/** Statuses of version 1 that only a paid order can have. */
const PAST_PAYMENT = [
  'waiting_to_ship',
  'refunding',
  'refund_fail',
  'refunded',
  'partial_shipped',
  'shipped',
  'delivered',
]
const STATUSES = [...PAST_PAYMENT, 'waiting_payment', 'cancel', 'abnormal_order', 'processing', 'completed']
const FINANCIAL = ['waiting', 'paid']
const FULFILLMENT = ['waiting_to_ship', 'partially_shipped', 'fully_shipped', 'completed']
const REFUND = ['refunding', 'refund_fail', 'partial_refund', 'refunded']

/** Words that differ between revisions of the vendor's documents (case 7). */
const ALIASES: Readonly<Record<string, string>> = { waiting_toship: 'waiting_to_ship', refund: 'refunded' }

export interface KakacloRowOptions {
  /** The connection's currency, for rows that name none. */
  readonly currency: string
  /** Told of times that name no zone and were read as UTC (case 35). */
  onZoneless?(paths: readonly string[]): void
}

/** One row of the order list as a snapshot. Versions 1 and 2 are read alike, by the fields that are there (case 4). */
export function readKakacloOrder(row: unknown, options: KakacloRowOptions): OrderSnapshot | Reject {
  const head = orderHead(row, KakacloOrder, 'id')
  if ('reason' in head) return head
  const { order, orderId } = head

  const read = createReader()
  const words = readWords(read, order)
  const currency =
    emptyAsNull(order.currencyCode) === null ? options.currency : read.currency('currencyCode', order.currencyCode)
  const time = (...names: readonly (keyof KakacloOrder)[]) => {
    const name = firstGiven(order, names)
    return name === null ? null : read.time(name, order[name])
  }
  const totalField = firstGiven(order, ['finalAmount', 'totalAmount'])
  const total = totalField === null ? null : read.amount(totalField, order[totalField], currency)
  const paidAt = time('payDate', 'payAt')

  const snapshot: OrderSnapshot = {
    orderId,
    orderNumber: read.text('customOrderId', order.customOrderId),
    currency,
    total,
    placedAt: time('purchaseDate', 'createDate'),
    updatedAt: time('updateDate', 'modifyDate'),
    status: words.shown,
    lines: readLines(read, order, currency),
    shipTo: readCountry(read, order),
    paid: isPaid(order, words, paidAt) ? { when: given(paidAt), amount: total, method: null } : null,
    packages: readKakacloPackages(read, order.fulfillments),
    // No field tells when it arrived; the order's update time stands in.
    delivered: words.status === 'delivered' || words.fulfillment === 'completed' ? { when: null } : null,
    refund: readRefund(read, order, words, currency, time),
    cancelled: words.status === 'cancel' ? { when: given(time('cancelDate')), reason: null } : null,
    // Gathered while the fields above were read.
    doubts: [...read.doubts],
  }
  if (read.zoneless.length > 0) options.onZoneless?.(read.zoneless)
  return snapshot
}

const given = (at: string | null): When => (at === null ? null : { at, source: 'vendor' })

/** The first of these fields that is not empty. */
function firstGiven(order: KakacloOrder, names: readonly (keyof KakacloOrder)[]): keyof KakacloOrder | null {
  return names.find(name => emptyAsNull(order[name]) !== null) ?? null
}

type Words = ReturnType<typeof readWords>

/** The four status words; null: absent, or not known (then there is a doubt). */
function readWords(read: RowReader, order: KakacloOrder) {
  const word = (path: keyof KakacloOrder, known: readonly string[], costs: string): string | null => {
    const text = read.text(path, order[path])?.toLowerCase() ?? null
    if (text === null) return null
    const plain = ALIASES[text] ?? text
    if (known.includes(plain)) return plain
    read.doubt(path, order[path], `expected one of ${known.join(', ')}; without it nothing is said of ${costs}`)
    return null
  }
  const shown = textOf(order.status)
  return {
    shown: shown.state === 'given' ? shown.value : null,
    status: word('status', STATUSES, 'a cancellation, a refund or an arrival by this status'),
    financial: word('financialStatus', FINANCIAL, 'the payment'),
    fulfillment: word('fulfillmentStatus', FULFILLMENT, 'the arrival of the order'),
    refund: word('refundStatus', REFUND, 'whether the refund is full'),
  }
}

/**
 * Version 2 says it with a status of its own. Version 1 has the time of payment for proof, whatever became of the order since;
 * where that time cannot be read, only a status that comes after payment proves it.
 */
function isPaid(order: KakacloOrder, { financial, status }: Words, paidAt: string | null): boolean {
  if (emptyAsNull(order.financialStatus) !== null) return financial === 'paid'
  if (emptyAsNull(order.payAt) === null || status === 'waiting_payment') return false
  return paidAt !== null || (status !== null && PAST_PAYMENT.includes(status))
}

/**
 * Version 1 knows only a refund of the whole order, without an amount; version 2 the total refunded so far. `refunding` is no
 * refund. Unreadable totals wait (case 33), and so does a refund that the order claims but puts at nothing.
 */
function readRefund(
  read: RowReader,
  order: KakacloOrder,
  words: Words,
  currency: string | null,
  time: (name: 'refundDate') => string | null,
): RefundView | null {
  const isFull = words.refund === 'refunded' || words.status === 'refunded'
  const full = isFull ? true : words.refund === 'partial_refund' ? false : null
  const total = read.amount('refundedAmount', order.refundedAmount, currency)
  const totalUnreadable = read.unreadable('refundedAmount')
  const nothing = total !== null && /^[0.]+$/.test(total)
  if (full === null && !totalUnreadable && (total === null || nothing)) return null
  if (nothing || (full === false && total === null && !totalUnreadable))
    read.doubt(
      'refundedAmount',
      order.refundedAmount,
      'expected the amount refunded, for the order says that it is; the refund waits for it',
    )
  return { records: 'unavailable', total, totalUnreadable, full, reason: null, when: given(time('refundDate')) }
}

function readLines(read: RowReader, order: KakacloOrder, currency: string | null): OrderLine[] {
  return read.list('orderItems', order.orderItems, KakacloItem).map(({ path, item }) => {
    const price = emptyAsNull(item.purchasePrices) === null ? 'amount' : 'purchasePrices'
    return {
      id: read.id(`${path}.id`, item.id),
      sku: read.text(`${path}.skuCode`, item.skuCode),
      title: read.text(`${path}.productName`, item.productName),
      quantity: read.quantity(`${path}.productNum`, item.productNum),
      price: read.amount(`${path}.${price}`, item[price], currency),
    }
  })
}

/** The buyer's country. An item's `countryCode` is another thing: where the warehouse stands. */
function readCountry(read: RowReader, order: KakacloOrder): OrderSnapshot['shipTo'] {
  const address = read.object('shippingAddress', order.shippingAddress, KakacloAddress)
  const country = read.text('shippingAddress.country', address?.country)
  return country === null ? null : { country }
}
