import type { OrderSnapshot, Package, RefundView, When } from '../../../schemas/order.ts'
import type { OrderLine, ShippedLine } from '../../../schemas/order-event.ts'
import {
  SHOPLAZZA_FINANCIAL_STATUSES,
  SHOPLAZZA_FULFILLMENT_STATUSES,
  SHOPLAZZA_PACKAGE_STATUSES,
  SHOPLAZZA_PAID,
  SHOPLAZZA_REFUND,
  SHOPLAZZA_STATUSES,
  ShoplazzaAddress,
  ShoplazzaLine,
  ShoplazzaOrder,
  ShoplazzaPackage,
  ShoplazzaPaymentLine,
} from '../../../schemas/vendor/shoplazza.ts'
import { webAddress } from '../../lib/web-address.ts'
import { orderHead } from '../shared/order-head.ts'
import { emptyAsNull, textOf } from '../shared/parse.ts'
import { readReason } from '../shared/reason.ts'
import { createReader, type RowReader } from '../shared/row-reader.ts'
import type { Reject } from '../source.ts'

export interface ShoplazzaRowOptions {
  /** Told of times that name no zone and were read as UTC (case 35). */
  onZoneless?(paths: readonly string[]): void
}

/** One order of a list, or of a detail, as a snapshot. All versions are read alike, by the fields that are there. */
export function readShoplazzaOrder(row: unknown, options: ShoplazzaRowOptions = {}): OrderSnapshot | Reject {
  const head = orderHead(row, ShoplazzaOrder, 'id')
  if ('reason' in head) return head
  const { order, orderId } = head

  const read = createReader()
  const status = readWord(read, 'status', order.status, SHOPLAZZA_STATUSES, 'without it no cancellation is told')
  const financial = readWord(
    read,
    'financial_status',
    order.financial_status,
    SHOPLAZZA_FINANCIAL_STATUSES,
    'without it no payment is told',
  )
  readWord(
    read,
    'fulfillment_status',
    order.fulfillment_status,
    SHOPLAZZA_FULFILLMENT_STATUSES,
    'it costs nothing, for packages have a status of their own',
  )
  const currency = read.currency('currency', order.currency)
  const total = read.amount('total_price', order.total_price, currency)
  const placedAt = read.time('placed_at', order.placed_at)
  const shownStatus = textOf(order.status)

  const snapshot: OrderSnapshot = {
    orderId,
    orderNumber: read.text('number', order.number),
    currency,
    total,
    placedAt,
    updatedAt: read.time('updated_at', order.updated_at),
    status: shownStatus.state === 'given' ? shownStatus.value : null,
    lines: readLines(read, order, currency),
    shipTo: readCountry(read, order),
    paid: has(SHOPLAZZA_PAID, financial)
      ? {
          when: vendorTime(placedAt),
          amount: readPaidAmount(read, order, currency, total),
          method: readMethod(read, order),
        }
      : null,
    packages: read.list('fulfillments', order.fulfillments, ShoplazzaPackage).map(each => readPackage(read, each)),
    // An order that is `finished` may have packages that never left (case 28): only packages prove arrival.
    delivered: null,
    refund: readRefund(read, order, financial, currency),
    cancelled: status === 'cancelled' ? readCancellation(read, order) : null,
    // Gathered while the fields above were read.
    doubts: [...read.doubts],
  }
  if (read.zoneless.length > 0) options.onZoneless?.(read.zoneless)
  return snapshot
}

const vendorTime = (at: string | null): When => (at === null ? null : { at, source: 'vendor' })
const updateTime = (at: string | null): When => (at === null ? null : { at, source: 'updated' })

const has = (words: readonly string[], word: string | null): boolean => word !== null && words.includes(word)

/** Times spell the one word in two ways, so a status might as well. */
const ALIASES: Readonly<Record<string, string>> = { canceled: 'cancelled' }

/** A status word, lower case; null: absent, or not known (then there is a doubt that says what it costs). */
function readWord(
  read: RowReader,
  path: string,
  value: unknown,
  known: readonly string[],
  costs: string,
): string | null {
  const text = read.text(path, value)?.toLowerCase() ?? null
  if (text === null) return null
  const word = ALIASES[text] ?? text
  if (known.includes(word)) return word
  read.doubt(path, value, `expected one of ${known.join(', ')}; ${costs}`)
  return null
}

const isAboveZero = (amount: string): boolean => /[1-9]/.test(amount)

/** `total_paid` is zero on some paid orders; then the price stands for it. What cannot be read is not replaced by another. */
function readPaidAmount(
  read: RowReader,
  order: ShoplazzaOrder,
  currency: string | null,
  total: string | null,
): string | null {
  const paid = read.amount('total_paid', order.total_paid, currency)
  if (read.unreadable('total_paid')) return null
  return paid !== null && isAboveZero(paid) ? paid : total
}

function readMethod(read: RowReader, order: ShoplazzaOrder): string | null {
  const method = read.text('payment_method', order.payment_method)
  if (method !== null) return method
  const line = read.object('payment_line', order.payment_line, ShoplazzaPaymentLine)
  return (
    read.text('payment_line.payment_method', line?.payment_method) ??
    read.text('payment_line.payment_channel', line?.payment_channel)
  )
}

function readLines(read: RowReader, order: ShoplazzaOrder, currency: string | null): OrderLine[] {
  return read.list('line_items', order.line_items, ShoplazzaLine).map(({ path, item }) => ({
    id: read.id(`${path}.id`, item.id),
    sku: read.text(`${path}.sku`, item.sku),
    title: read.text(`${path}.product_title`, item.product_title),
    quantity: read.quantity(`${path}.quantity`, item.quantity),
    price: read.amount(`${path}.price`, item.price, currency),
  }))
}

function readCountry(read: RowReader, order: ShoplazzaOrder): OrderSnapshot['shipTo'] {
  const address = read.object('shipping_address', order.shipping_address, ShoplazzaAddress)
  const country = read.text('shipping_address.country_code', address?.country_code)
  return country === null ? null : { country }
}

/**
 * A package keeps one time of its last change: of a shipped one it is the shipping, of a finished one the arrival, and then its
 * making is the closest that is left of the shipping.
 */
function readPackage(read: RowReader, { path, item }: { path: string; item: ShoplazzaPackage }): Package {
  const status = readWord(
    read,
    `${path}.status`,
    item.status,
    SHOPLAZZA_PACKAGE_STATUSES,
    'without it neither shipping nor arrival of this package is told',
  )
  const createdAt = read.time(`${path}.created_at`, item.created_at)
  const updatedAt = read.time(`${path}.updated_at`, item.updated_at)
  const packageId = read.id(`${path}.id`, item.id)
  // One whose id cannot be read would be said again, as another package, once it can.
  const isNamed = !read.unreadable(`${path}.id`)
  const finished = status === 'finished' && isNamed
  return {
    packageId,
    carrier:
      read.text(`${path}.tracking_company`, item.tracking_company) ??
      read.text(`${path}.tracking_company_code`, item.tracking_company_code),
    trackingNumber: read.text(`${path}.tracking_number`, item.tracking_number),
    trackingUrl: webAddress(read.text(`${path}.tracking_url`, item.tracking_url)),
    lines: readShippedLines(read, path, item.line_items),
    statusGiven: true,
    shipped:
      finished || (status === 'shipped' && isNamed) ? { when: updateTime(finished ? createdAt : updatedAt) } : null,
    delivered: finished ? { when: updateTime(updatedAt) } : null,
  }
}

function readShippedLines(read: RowReader, path: string, lines: unknown): ShippedLine[] {
  return read.list(`${path}.line_items`, lines, ShoplazzaLine).flatMap(({ path: at, item }) => {
    const id = read.id(`${at}.id`, item.id)
    const field = emptyAsNull(item.shipping_quantity) === null ? 'quantity' : 'shipping_quantity'
    const quantity = read.quantity(`${at}.${field}`, item[field])
    return id === null ? [] : [{ id, quantity }]
  })
}

/** What the order itself says of its refunds; the records behind it are read later, for orders that changed (`complete`). */
function readRefund(
  read: RowReader,
  order: ShoplazzaOrder,
  financial: string | null,
  currency: string | null,
): RefundView | null {
  const total = read.amount('total_refund_price', order.total_refund_price, currency)
  const totalUnreadable = read.unreadable('total_refund_price')
  const signalled = has(SHOPLAZZA_REFUND, financial) || totalUnreadable || (total !== null && isAboveZero(total))
  if (!signalled) return null
  const full = financial === 'refunded' ? true : financial === 'partially_refunded' ? false : null
  return { records: 'delayed', total, totalUnreadable, full, reason: null, when: null }
}

function readCancellation(read: RowReader, order: ShoplazzaOrder): NonNullable<OrderSnapshot['cancelled']> {
  const at = read.time('canceled_at', order.canceled_at) ?? read.time('cancelled_at', order.cancelled_at)
  return { when: vendorTime(at), reason: readReason(read, 'cancel_reason', order.cancel_reason) }
}
