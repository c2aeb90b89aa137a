import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import type { z } from 'zod'
import {
  KakacloAddress,
  KakacloFulfillment,
  KakacloItem,
  KakacloOrder,
  KakacloTracking,
} from '../../schemas/vendor/kakaclo.ts'
import {
  ShoplazzaAddress,
  ShoplazzaLine,
  ShoplazzaOrder,
  ShoplazzaPackage,
  ShoplazzaPaymentLine,
} from '../../schemas/vendor/shoplazza.ts'
import { TuyaAddress, TuyaCommodity, TuyaDelivery, TuyaOrder, TuyaPrice } from '../../schemas/vendor/tuya.ts'
import type { Answer, Kind } from './chain.ts'
import { list, object, type Path, raw, string, type Tree, textOf, treeOf, withValue } from './tree.ts'

/** A row as a vendor's documents or samples have it, with everything that proves something, and how that vendor answers with rows. */
export interface Sample {
  readonly kind: Kind
  readonly row: Tree
  readonly idPath: Path
  /** Whether a member of the row is read at all. */
  isRead(path: Path): boolean
  /** Answers every request of a poll with these rows, and with these refund records. */
  answering(rows: readonly Tree[], records?: readonly Tree[]): Answer
}

const fixture = (name: string): Tree =>
  treeOf(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8'))
const first = (envelope: Tree): Tree => {
  const data = envelope.kind === 'object' ? envelope.members.find(([name]) => name === 'data')?.[1] : undefined
  const rows = data?.kind === 'object' ? data.members.find(([name]) => name === 'list')?.[1] : undefined
  if (rows?.kind !== 'list' || !rows.items[0]) throw new Error('the fixture has no row')
  return rows.items[0]
}
const having = (row: Tree, more: Readonly<Record<string, Tree>>): Tree =>
  row.kind === 'object'
    ? { kind: 'object', members: [...row.members.filter(([name]) => !(name in more)), ...Object.entries(more)] }
    : row

type Shapes = Readonly<Record<string, z.ZodObject>>

/** Read is what the schemas name; the schema of a nested thing is found by the member that holds it. */
function reads(shapes: Shapes): (path: Path) => boolean {
  return path => {
    let shape = shapes['']
    for (const key of path) {
      if (typeof key === 'number') continue
      if (!shape || !Object.hasOwn(shape.shape, key)) return false
      shape = shapes[key]
    }
    return true
  }
}

const json = (response: ServerResponse, tree: Tree): void => {
  response.setHeader('content-type', 'application/json')
  response.end(textOf(tree))
}

const kakaclo = (kind: Kind, row: Tree): Sample => ({
  kind,
  row,
  idPath: ['id'],
  isRead: reads({
    '': KakacloOrder,
    orderItems: KakacloItem,
    items: KakacloItem,
    fulfillments: KakacloFulfillment,
    trackingInfos: KakacloTracking,
    shippingAddress: KakacloAddress,
  }),
  answering: rows => (_, response) =>
    json(
      response,
      object({
        code: raw('10000'),
        message: string('ok'),
        data: object({
          total: raw(String(rows.length)),
          pageNumber: raw('1'),
          pageSize: raw('250'),
          list: list(...rows),
        }),
      }),
    ),
})

const shoplazza = (kind: Kind, row: Tree): Sample => ({
  kind,
  row,
  idPath: ['id'],
  isRead: reads({
    '': ShoplazzaOrder,
    line_items: ShoplazzaLine,
    fulfillments: ShoplazzaPackage,
    payment_line: ShoplazzaPaymentLine,
    shipping_address: ShoplazzaAddress,
  }),
  answering: (rows, records) => (request, response) => {
    const isRefund = /refund/.test(request.url ?? '')
    if (isRefund && records === undefined) return void response.writeHead(404).end('{}')
    if (isRefund) return json(response, object({ records: list(...(records ?? [])) }))
    json(response, object({ orders: list(...rows), count: raw(String(rows.length)), has_more: raw('false') }))
  },
})

const TOKEN = '{"success":true,"t":1700000000000,"result":{"access_token":"a","refresh_token":"r","expire_time":7200}}'

const tuya = (row: Tree): Sample => ({
  kind: 'tuya',
  row,
  idPath: ['order_id'],
  isRead: reads({
    '': TuyaOrder,
    delivery_list: TuyaDelivery,
    commodity_list: TuyaCommodity,
    price: TuyaPrice,
    shipping_address: TuyaAddress,
  }),
  answering: rows => (request, response) => {
    const url = new URL(request.url ?? '', 'http://vendor')
    if (url.pathname.includes('/token')) return void response.end(TOKEN)
    const wanted = decodeURIComponent(url.pathname.split('/').at(-1) ?? '')
    const named = rows.find(
      one =>
        one.kind === 'object' &&
        one.members.some(([name, value]) => name === 'order_id' && value.kind === 'string' && value.value === wanted),
    )
    const result =
      wanted === 'search'
        ? object({ total: raw(String(rows.length)), data_list: list(...rows) })
        : (named ?? rows[1] ?? raw('null'))
    json(response, object({ success: raw('true'), t: raw('1700000000000'), result }))
  },
})

const PARCEL = {
  deliveryTime: string('2022-11-02T08:00:00Z'),
  trackingCode: string('TEST-K-1'),
  carrier: string('testpost'),
}

export const SAMPLES: readonly Sample[] = [
  kakaclo(
    'kakaclo v1',
    having(first(fixture('kakaclo/v1-waiting-to-ship')), {
      status: string('refunded'),
      refundDate: string('2022-11-03T00:00:00Z'),
      fulfillments: list(
        object({
          ...PARCEL,
          id: string('K1'),
          orderItems: list(object({ id: string('1108502'), productNum: raw('2') })),
        }),
      ),
    }),
  ),
  kakaclo(
    'kakaclo v2',
    having(first(fixture('kakaclo/v2-shipped')), {
      refundStatus: string('partial_refund'),
      refundedAmount: raw('5.1200'),
      refundDate: string('2022-09-30T00:00:00Z'),
      currencyCode: string('USD'),
      fulfillments: list(
        object({
          ...PARCEL,
          id: string('K1'),
          status: string('shipped'),
          items: list(object({ id: string('1094004'), productNum: raw('1') })),
        }),
        object({
          ...PARCEL,
          packId: raw('4711'),
          status: string('completed'),
          trackingCode: raw('900719925474099312345'),
          trackingInfos: list(object({ carrier: string('first'), trackingCode: string('T0') })),
        }),
      ),
    }),
  ),
  shoplazza('shoplazza 2022-01', fixture('shoplazza/order-2022-01')),
  shoplazza('shoplazza 2025-06', fixture('shoplazza/order-2025-06')),
  tuya(fixture('tuya/order')),
]

export const named = (sample: Sample, row: Tree, id: string): Tree => withValue(row, sample.idPath, string(id))
