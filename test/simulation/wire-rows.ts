import type { Life } from '../../src/sandbox/life.ts'
import { kakacloV2, shoplazzaOrder, shoplazzaRefunds, tuyaOrder } from '../../src/sandbox/rows.ts'
import type { TrueOrder } from './orders.ts'

/** True orders in each vendor's words. */

type Row = Record<string, unknown>
export type Family = '2022-01' | '2025-06'

/** Two or three of its values are not known to anybody. */
const MYSTERY = 'mystery'

function lifeOf(order: TrueOrder, refunds: TrueOrder['refunds'] = order.refunds): Life {
  const lines = [1, 2, 3].map(n => ({
    id: `${order.id}-${n}`,
    sku: `S${n}`,
    title: `Thing ${n}`,
    price: 2_000,
    quantity: 1,
  }))
  return {
    id: order.id,
    number: order.id,
    buyer: 'somebody',
    currency: 'USD',
    digits: 2,
    country: 'US',
    method: 'card',
    lines,
    freight: 4_000,
    total: 10_000,
    createdAt: order.placedAt,
    updatedAt: order.updatedAt,
    paidAt: order.paidAt,
    cancelledAt: order.cancelledAt,
    cancelReason: null,
    packages: order.packages.map(({ id, shippedAt, arrivedAt, ...parcel }, index) => ({
      id,
      carrier: 'UPS',
      trackingNumber: parcel.numbers.at(-1) ?? '',
      lines: lines.slice(index, index + 1),
      createdAt: shippedAt,
      state: arrivedAt === null ? 'shipped' : 'finished',
      updatedAt: arrivedAt ?? shippedAt,
    })),
    refunds: refunds.map(({ id, cents, at }) => ({
      id,
      amount: cents,
      createdAt: at,
      state: 'finished',
      updatedAt: at,
    })),
  }
}

export function kakacloRow(order: TrueOrder, doubtful: boolean): Row {
  return { ...kakacloV2(lifeOf(order)), ...(doubtful && { financialStatus: MYSTERY }) }
}

export function shoplazzaRow(order: TrueOrder, family: Family, doubtful: boolean): Row {
  return { ...shoplazzaOrder(lifeOf(order), family), ...(doubtful && { financial_status: MYSTERY }) }
}

/** As far as they are on record. */
export function recordRows(order: TrueOrder, family: Family, now: number): Row[] {
  const onRecord = order.refunds.filter(({ onRecordAt }) => onRecordAt <= now)
  return shoplazzaRefunds(lifeOf(order, onRecord), family)
}

/** `lines`: rows of a search have none. */
export function tuyaRow(order: TrueOrder, doubtful: boolean, lines: boolean): Row {
  const { commodity_list, ...row } = tuyaOrder(lifeOf(order))
  return {
    ...row,
    ...(lines && { commodity_list }),
    ...(doubtful && { pay_status: MYSTERY }),
    delivery_status: order.arrivedAt !== null ? 'received' : order.packages.length > 0 ? 'shipped' : 'unshipped',
  }
}
