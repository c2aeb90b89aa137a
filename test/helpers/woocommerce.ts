import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A simulated WooCommerce shop over real HTTP on loopback: what its REST API v3 answers for orders and their refunds. */

export type WooRow = { readonly id: number; readonly date_modified_gmt: string; readonly [member: string]: unknown }

const KEY = 'ck_test'
const SECRET = 'cs_test'
const AUTHORIZATION = `Basic ${Buffer.from(`${KEY}:${SECRET}`).toString('base64')}`
const ROOT = '/wp-json/wc/v3'

interface Answer {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, number>>
}

export async function startWooCommerce({ mostPerPage = 100 } = {}) {
  const orders = new Map<number, WooRow>()
  const refunds = new Map<number, readonly object[]>()
  /** In the database, and not yet in lists: an index that lags behind. */
  const late = new Set<number>()
  const requests: URL[] = []
  const control = {
    refundsFail: null as number | null,
    /** Every request meets it. */
    failure: null as 'not-json' | { status: number; headers?: Readonly<Record<string, string>> } | null,
  }
  /** Members that a row is shown with, whatever it is. */
  const shown = new Map<number, object>()

  function list(query: URLSearchParams): Answer {
    const size = Math.min(Number(query.get('per_page') ?? 10), mostPerPage)
    const page = Number(query.get('page') ?? 1)
    const [after, before] = ['modified_after', 'modified_before'].map(name => query.get(name) ?? '')
    // Both bounds are exclusive, and times are without a zone.
    const found = [...orders.values()]
      .filter(({ id }) => !late.has(id))
      .filter(({ date_modified_gmt: at }) => (!after || at > after) && (!before || at < before))
      .sort((a, b) => a.id - b.id)
    return {
      status: 200,
      body: found.slice((page - 1) * size, page * size).map(row => ({ ...row, ...shown.get(row.id) })),
      headers: { 'X-WP-Total': found.length, 'X-WP-TotalPages': Math.ceil(found.length / size) },
    }
  }

  function answerTo(url: URL, authorization: string | undefined): Answer {
    if (authorization !== AUTHORIZATION) return failure(401, 'woocommerce_rest_cannot_view')
    if (url.pathname === `${ROOT}/orders`) return list(url.searchParams)
    const [, id, part] = /\/orders\/(\d+)(\/refunds)?$/.exec(url.pathname) ?? []
    const order = orders.get(Number(id))
    if (!order) return failure(404, 'woocommerce_rest_shop_order_invalid_id')
    if (!part) return { status: 200, body: order }
    if (control.refundsFail !== null) return failure(control.refundsFail, 'internal')
    return { status: 200, body: refunds.get(order.id) ?? [] }
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://shop')
    requests.push(url)
    if (control.failure === 'not-json') return void response.end('<html>')
    if (control.failure) return void response.writeHead(control.failure.status, { ...control.failure.headers }).end()
    const { status, body, headers } = answerTo(url, request.headers.authorization)
    response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8', ...headers })
    response.end(JSON.stringify(body))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** What the example configuration takes from the environment. */
    env(): Record<string, string> {
      return { WOO_URL: this.url, WOO_KEY: KEY, WOO_SECRET: SECRET }
    },
    requests,
    control,
    late,
    put(order: WooRow, itsRefunds: readonly object[] = [], oddly: object = {}): void {
      shown.set(order.id, oddly)
      orders.set(order.id, order)
      refunds.set(order.id, itsRefunds)
    },
    close: () => new Promise<void>(resolve => server.close(() => resolve()).closeAllConnections()),
  }
}

const failure = (status: number, code: string): Answer => ({ status, body: { code, data: { status } } })
