import type { Row } from './desk.ts'
import { seconds } from './desk.ts'
import type { Life, Parcel } from './life.ts'

/** The lives of the time-lapse shop in each vendor's words. */

const decimal = (life: Life, minor: number): string => (minor / 10 ** life.digits).toFixed(life.digits)
const number = (life: Life, minor: number): number => minor / 10 ** life.digits
const time = (at: number | null): string | null => (at === null ? null : seconds(at))

/** `2026-03-02T06:15:30-04:00`: packages carry the shop's own offset. */
const shopTime = (at: number): string => `${new Date(at - 4 * 3_600_000).toISOString().slice(0, 19)}-04:00`

const refundedTotal = (life: Life): number =>
  life.refunds.filter(refund => refund.state === 'finished').reduce((sum, refund) => sum + refund.amount, 0)
const isOpen = (life: Life): boolean => life.refunds.some(refund => refund.state === 'pending')
const arrived = (life: Life): boolean => isShipped(life) && life.packages.every(parcel => parcel.state === 'finished')
const linesSent = (life: Life): number => life.packages.reduce((sum, parcel) => sum + parcel.lines.length, 0)
const isShipped = (life: Life): boolean => linesSent(life) === life.lines.length

const address = (life: Life) => ({
  country: life.country,
  city: 'Testville',
  phone: '000000',
  street1: 'Test Street 1',
  province: 'Test',
  zip: '00000',
  recipient: 'Test Buyer',
})

type KakacloVersion = 'v1' | 'v2'

function kakacloItems(life: Life, version: KakacloVersion, lines = life.lines): Row[] {
  return lines.map(line => ({
    id: line.id.replace(/\D/g, ''),
    itemId: Number(life.number),
    skuCode: line.sku,
    productName: line.title,
    productNum: line.quantity,
    [version === 'v1' ? 'purchasePrices' : 'amount']: number(life, line.price),
    subtotal: number(life, line.price * line.quantity),
    promotionAmount: 0,
    stockStatus: 'normal',
    countryCode: life.country,
    option1: '{"name":"color", "value":"blue"}',
    option2: '{"name":"size", "value":""}',
    option3: null,
  }))
}

/** The members both Kakaclo versions share. */
const kakacloCommon = (life: Life): Row => ({
  customOrderId: life.number,
  remark: null,
  purchaseDate: seconds(life.createdAt),
  cancelDate: time(life.cancelledAt),
  refundDate: time(life.refunds.findLast(refund => refund.state === 'finished')?.updatedAt ?? null),
  warehouseId: 13,
  freightAmount: number(life, life.freight),
  shippingAddress: address(life),
  createDate: seconds(life.createdAt),
})

const kakacloParcel = (life: Life, version: KakacloVersion, parcel: Parcel): Row => ({
  deliveryTime: seconds(parcel.createdAt),
  trackingCode: parcel.trackingNumber,
  logisticsSearchUrl: null,
  carrier: parcel.carrier,
  carrierType: 'last',
  trackingInfos: [{ carrier: parcel.carrier, trackingCode: parcel.trackingNumber }],
  [version === 'v1' ? 'orderItems' : 'items']: kakacloItems(life, version, parcel.lines),
})

export function kakacloV1(life: Life): Row {
  const refunded = refundedTotal(life)
  const status = ((): string => {
    if (life.cancelledAt !== null) return 'cancel'
    if (life.paidAt === null) return 'waiting_payment'
    if (isOpen(life)) return 'refunding'
    if (refunded >= life.total) return 'refunded'
    if (arrived(life)) return 'delivered'
    if (isShipped(life)) return 'shipped'
    return life.packages.length > 0 ? 'partial_shipped' : 'waiting_to_ship'
  })()
  return {
    ...kakacloCommon(life),
    id: life.id,
    status,
    payAt: time(life.paidAt),
    completedAt: time(life.paidAt),
    totalAmount: number(life, life.total),
    skusAmount: number(life, life.total - life.freight),
    modifyDate: seconds(life.updatedAt),
    orderItems: kakacloItems(life, 'v1'),
    ...(life.packages.length > 0 && {
      fulfillments: life.packages.map(parcel => ({ id: parcel.id, ...kakacloParcel(life, 'v1', parcel) })),
    }),
  }
}

export function kakacloV2(life: Life): Row {
  const refunded = refundedTotal(life)
  const paid = life.paidAt !== null
  const fulfilment = arrived(life) ? 'completed' : isShipped(life) ? 'fully_shipped' : 'partially_shipped'
  const refundStatus = isOpen(life) ? 'refunding' : refunded >= life.total ? 'refunded' : 'partial_refund'
  const untouched = refunded === 0 && !isOpen(life)
  return {
    ...kakacloCommon(life),
    id: Number(life.id),
    status:
      life.cancelledAt !== null ? 'cancel' : !paid ? 'waiting_payment' : arrived(life) ? 'completed' : 'processing',
    financialStatus: paid ? 'paid' : 'waiting',
    fulfillmentStatus: life.packages.length > 0 ? fulfilment : paid ? 'waiting_to_ship' : 'NULL',
    refundStatus: untouched ? 'NULL' : refundStatus,
    payDate: time(life.paidAt),
    completedDate: time(life.paidAt),
    finalAmount: number(life, life.total),
    subTotalAmount: number(life, life.total - life.freight),
    couponAmount: 0,
    promotionAmount: 0,
    refundableAmount: number(life, life.total - refunded),
    refundedAmount: number(life, refunded),
    currencyCode: life.currency,
    updateDate: seconds(life.updatedAt),
    orderItems: kakacloItems(life, 'v2'),
    fulfillments:
      life.packages.length === 0
        ? null
        : life.packages.map(parcel => ({
            id: parcel.id,
            packId: parcel.id,
            status: parcel.state === 'finished' ? 'completed' : 'shipped',
            ...kakacloParcel(life, 'v2', parcel),
          })),
  }
}

const day = (at: number): string => new Date(at).toISOString().slice(0, 10).replaceAll('-', '')

export function tuyaOrder(life: Life): Row {
  return {
    mall_code: 'sandbox-mall',
    shop_code: 'sandbox-shop',
    order_id: life.id,
    pay_status: life.paidAt === null ? 'unpaid' : 'paid',
    delivery_status: arrived(life) ? 'received' : life.packages.length > 0 ? 'shipped' : 'unshipped',
    created_time: day(life.createdAt),
    current_total_price: number(life, life.total),
    total_shipping_price: number(life, life.freight),
    total_tax_price: 0,
    subtotal_price: number(life, life.total - life.freight),
    total_price: number(life, life.total),
    currency: life.currency,
    delivery_list: life.packages.map(parcel => ({
      logistics_company: parcel.carrier,
      logistics_no: parcel.trackingNumber,
      logistics_url: null,
    })),
    cancel_reason: life.cancelReason,
    canceled_time: life.cancelledAt === null ? null : day(life.cancelledAt),
    commodity_list: life.lines.map((line, index) => ({
      id: Number(`${life.number}${index}`),
      sku: line.sku,
      title: line.title,
      quantity: line.quantity,
      price: { amount: number(life, line.price), currency: life.currency },
      available: true,
      weight: 10,
      image: null,
      selected_options: [{ name: 'Color', value: 'Blue' }],
    })),
    shipping_address: {
      country_code: life.country,
      country: life.country,
      city: 'Testville',
      address: 'Test Street 1',
      zip: '00000',
      name: 'Test Buyer',
    },
  }
}

/** An order's money in Shoplazza's words. */
function financialStatus(life: Life): string {
  const last = life.refunds.at(-1)
  const refunded = refundedTotal(life)
  if (last?.state === 'pending') return 'refunding'
  if (last?.state === 'failed') return 'refund_failed'
  if (refunded > 0) return refunded >= life.total ? 'refunded' : 'partially_refunded'
  if (life.paidAt !== null) return 'paid'
  return life.cancelledAt === null ? 'waiting' : 'cancelled'
}

function fulfillmentStatus(life: Life): string {
  if (life.packages.length === 0) return life.paidAt === null ? 'initialled' : 'waiting'
  const finished = life.packages.some(parcel => parcel.state === 'finished')
  if (arrived(life)) return 'finished'
  if (finished) return 'partially_finished'
  return isShipped(life) ? 'shipped' : 'partially_shipped'
}

export function shoplazzaOrder(life: Life, family: '2022-01' | '2025-06'): Row {
  const older = family === '2022-01'
  const line = (item: Life['lines'][number]): Row => ({
    id: item.id,
    product_title: item.title,
    sku: item.sku,
    quantity: String(item.quantity),
    price: decimal(life, item.price),
    [older ? 'total' : 'total_price']: decimal(life, item.price * item.quantity),
  })
  return {
    id: life.id,
    number: life.number,
    status: life.cancelledAt !== null ? 'cancelled' : arrived(life) ? 'finished' : life.paidAt ? 'placed' : 'opened',
    financial_status: financialStatus(life),
    fulfillment_status: fulfillmentStatus(life),
    payment_method: life.method,
    currency: life.currency,
    total_price: decimal(life, life.total),
    sub_total: decimal(life, life.total - life.freight),
    total_shipping: decimal(life, life.freight),
    total_refund_price: decimal(life, refundedTotal(life)),
    total_paid: decimal(life, life.paidAt === null ? 0 : life.total),
    refund_status: life.refunds.at(-1)?.state ?? '',
    cancel_reason: life.cancelReason ?? '',
    created_at: seconds(life.createdAt),
    updated_at: seconds(life.updatedAt),
    placed_at: time(life.paidAt),
    [older ? 'canceled_at' : 'cancelled_at']: time(life.cancelledAt),
    deleted_at: null,
    shipping_address: { country_code: life.country, city: 'Testville', address1: 'Test Street 1', name: 'Test Buyer' },
    payment_line: { payment_name: 'Test', payment_channel: 'test', payment_method: life.method },
    line_items: life.lines.map(line),
    fulfillments: life.packages.map(parcel => ({
      id: parcel.id,
      order_id: life.id,
      status: parcel.state,
      tracking_company: parcel.carrier,
      tracking_number: parcel.trackingNumber,
      created_at: shopTime(parcel.createdAt),
      updated_at: shopTime(parcel.updatedAt),
      line_items: parcel.lines.map(item => ({ ...line(item), shipping_quantity: String(item.quantity) })),
    })),
  }
}

export function shoplazzaRefunds(life: Life, family: '2022-01' | '2025-06'): Row[] {
  return life.refunds.map(refund => ({
    id: refund.id,
    order_id: life.id,
    refund_price: decimal(life, refund.amount),
    currency: life.currency,
    note: 'changed my mind',
    [family === '2022-01' ? 'status' : 'refund_status']: refund.state,
    created_at: seconds(refund.createdAt),
    updated_at: seconds(refund.updatedAt),
    ...(family === '2025-06' && {
      payment_details: [
        {
          payment_method: life.method,
          refund_price: decimal(life, refund.amount),
          finished_at: refund.state === 'finished' ? seconds(refund.updatedAt) : null,
        },
      ],
    }),
  }))
}
