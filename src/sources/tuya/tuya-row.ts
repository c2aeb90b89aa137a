import type { OrderSnapshot, Package } from '../../../schemas/order.ts'
import type { OrderLine } from '../../../schemas/order-event.ts'
import type { TuyaConnection } from '../../../schemas/vendor/connections.ts'
import { TuyaAddress, TuyaCommodity, TuyaDelivery, TuyaOrder, TuyaPrice } from '../../../schemas/vendor/tuya.ts'
import { webAddress } from '../../lib/web-address.ts'
import { orderHead } from '../shared/order-head.ts'
import { emptyAsNull, textOf } from '../shared/parse.ts'
import { readReason } from '../shared/reason.ts'
import { createReader, type RowReader } from '../shared/row-reader.ts'
import type { Reject } from '../source.ts'

/** What the values of the two statuses prove. The vendor publishes no list of them, so it is configuration over what was seen. */
export interface TuyaStatuses {
  readonly paid: ReadonlySet<string>
  readonly refunded: ReadonlySet<string>
  readonly shipped: ReadonlySet<string>
  readonly delivered: ReadonlySet<string>
}

/** Words that say that it has not happened yet. They prove nothing, and are understood. */
const NOT_PAID = new Set(['unpaid', 'pending', 'waiting', 'waiting_payment', 'paying'])
const NOT_SHIPPED = new Set(['unshipped', 'pending', 'waiting', 'waiting_to_ship', 'unfulfilled', 'preparing'])

/** A configured full refund proves a payment, and an arrival a dispatch. Upper and lower case are the same. */
export function tuyaStatuses({ paid, refunded, shipped, delivered }: TuyaConnection['statuses']): TuyaStatuses {
  const words = (...lists: readonly (readonly string[])[]) =>
    new Set(lists.flat().map(word => word.trim().toLowerCase()))
  return {
    paid: words(['paid'], paid, refunded),
    refunded: words(refunded),
    shipped: words(['shipped'], shipped, delivered),
    delivered: words(delivered),
  }
}

/** One order of the detail or the search as a snapshot. The vendor gives no time of payment, dispatch, arrival or update. */
export function readTuyaOrder(row: unknown, statuses: TuyaStatuses): OrderSnapshot | Reject {
  const head = orderHead(row, TuyaOrder, 'order_id')
  if ('reason' in head) return head
  const { order, orderId } = head

  const read = createReader()
  const pay = word(read, 'pay_status', order.pay_status, [statuses.paid, NOT_PAID], 'payment and refund')
  const delivery = word(
    read,
    'delivery_status',
    order.delivery_status,
    [statuses.shipped, NOT_SHIPPED],
    'dispatch and arrival',
  )
  const currency = read.currency('currency', order.currency)
  const total = read.amount('total_price', order.total_price, currency)
  const canceledAt = read.time('canceled_time', noZero(order.canceled_time), { epoch: true })
  const isCancelled = isThere(order.canceled_time)
  return {
    orderId,
    orderNumber: null,
    currency,
    total,
    placedAt: read.time('created_time', noZero(order.created_time), { epoch: true }),
    updatedAt: null,
    status: shownStatus(order),
    lines: readLines(read, order, currency),
    shipTo: readCountry(read, order),
    paid: statuses.paid.has(pay) ? { when: null, amount: total, method: null } : null,
    packages: readPackages(read, order, statuses.shipped.has(delivery)),
    delivered: statuses.delivered.has(delivery) ? { when: null } : null,
    refund: statuses.refunded.has(pay)
      ? { records: 'unavailable', total: null, totalUnreadable: false, full: true, reason: null, when: null }
      : null,
    cancelled: isCancelled
      ? {
          when: canceledAt === null ? null : { at: canceledAt, source: 'vendor' },
          reason: readReason(read, 'cancel_reason', order.cancel_reason),
        }
      : null,
    // Gathered while the fields above were read.
    doubts: [...read.doubts],
  }
}

/** A `Long` that was never set may come as 0. */
const noZero = (value: unknown): unknown => (value === 0 || value === '0' ? null : value)

/** A time that is there, though perhaps in a way that cannot be read: some text, or a number. `false` and the like are no times. */
const isThere = (value: unknown): boolean =>
  typeof value === 'string'
    ? emptyAsNull(noZero(value)) !== null
    : typeof value === 'number' && value > 0 && value < Infinity

/** A status word in lower case; empty: absent. One that is in none of the sets is doubted (case 20). */
function word(
  read: RowReader,
  path: string,
  value: unknown,
  known: readonly ReadonlySet<string>[],
  costs: string,
): string {
  const text = read.text(path, value)?.toLowerCase() ?? ''
  if (text !== '' && !known.some(words => words.has(text)))
    read.doubt(
      path,
      value,
      `a value that is not known: nothing is said of ${costs}. If it proves something, add it to the connection's "statuses".`,
    )
  return text
}

/** Both of the vendor's words, e.g. `paid/shipped`. */
function shownStatus({ pay_status, delivery_status }: TuyaOrder): string | null {
  const words = [textOf(pay_status), textOf(delivery_status)].flatMap(text =>
    text.state === 'given' ? [text.value] : [],
  )
  return words.length === 0 ? null : words.join('/')
}

function readLines(read: RowReader, order: TuyaOrder, currency: string | null): OrderLine[] {
  return read.list('commodity_list', order.commodity_list, TuyaCommodity).map(({ path, item }) => {
    const price = read.object(`${path}.price`, item.price, TuyaPrice)
    return {
      id: read.id(`${path}.id`, item.id),
      sku: read.text(`${path}.sku`, item.sku),
      title: read.text(`${path}.title`, item.title),
      quantity: read.quantity(`${path}.quantity`, item.quantity),
      price: read.amount(
        `${path}.price.amount`,
        price?.amount,
        read.currency(`${path}.price.currency`, price?.currency) ?? currency,
      ),
    }
  })
}

function readCountry(read: RowReader, order: TuyaOrder): OrderSnapshot['shipTo'] {
  const address = read.object('shipping_address', order.shipping_address, TuyaAddress)
  const country =
    read.text('shipping_address.country_code', address?.country_code) ??
    read.text('shipping_address.country', address?.country)
  return country === null ? null : { country }
}

/** Packages have neither id nor status: the order's status speaks for all. Shipped without a list is one dispatch of the whole order (case 22). */
function readPackages(read: RowReader, order: TuyaOrder, isShipped: boolean): Package[] {
  const common = {
    packageId: null,
    lines: [],
    statusGiven: false,
    shipped: isShipped ? { when: null } : null,
    delivered: null,
  }
  const packages = read.list('delivery_list', order.delivery_list, TuyaDelivery).map(({ path, item }) => ({
    ...common,
    carrier: read.text(`${path}.logistics_company`, item.logistics_company),
    trackingNumber: read.text(`${path}.logistics_no`, item.logistics_no),
    trackingUrl: webAddress(read.text(`${path}.logistics_url`, item.logistics_url)),
  }))
  if (packages.length > 0 || !isShipped) return packages
  return [{ ...common, carrier: null, trackingNumber: null, trackingUrl: null }]
}
