import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A simulated WooCommerce shop over real HTTP on loopback: what its REST API v3 answers for orders and their refunds. */

export type WooRow = { readonly id: number; readonly date_modified_gmt: string; readonly [member: string]: unknown }

const KEY = 'ck_test'
const SECRET = 'cs_test'
const ROOT = '/wp-json/wc/v3'

export async function startWooCommerce({ mostPerPage = 100 } = {}) {
  const orders = new Map<number, WooRow>()
  const refunds = new Map<number, readonly object[]>()
  /** In the database, and not yet in lists: an index that lags behind. */
  const late = new Set<number>()
  const requests: URL[] = []
  const control = { refundsFail: null as number | null }

  function list(query: URLSearchParams, response: ServerResponse): void {
    const size = Math.min(Number(query.get('per_page') ?? 10), mostPerPage)
    const page = Number(query.get('page') ?? 1)
    const [after, before] = ['modified_after', 'modified_before'].map(name => query.get(name) ?? '')
    // Both bounds are exclusive, and times are without a zone.
    const found = [...orders.values()]
      .filter(({ id }) => !late.has(id))
      .filter(({ date_modified_gmt: at }) => (!after || at > after) && (!before || at < before))
      .sort((a, b) => a.id - b.id)
    response.setHeader('X-WP-Total', found.length)
    response.setHeader('X-WP-TotalPages', Math.ceil(found.length / size))
    json(response, 200, found.slice((page - 1) * size, page * size))
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', 'http://shop')
    requests.push(url)
    const expected = `Basic ${Buffer.from(`${KEY}:${SECRET}`).toString('base64')}`
    if (request.headers.authorization !== expected)
      return json(response, 401, { code: 'woocommerce_rest_cannot_view', data: { status: 401 } })
    if (url.pathname === `${ROOT}/orders`) return list(url.searchParams, response)
    const [, id, part] = /\/orders\/(\d+)(\/refunds)?$/.exec(url.pathname) ?? []
    const order = orders.get(Number(id))
    if (!order) return json(response, 404, { code: 'woocommerce_rest_shop_order_invalid_id', data: { status: 404 } })
    if (!part) return json(response, 200, order)
    if (control.refundsFail !== null) return json(response, control.refundsFail, {})
    json(response, 200, refunds.get(order.id) ?? [])
  }

  const server = createServer(answer)
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
    put(order: WooRow, itsRefunds: readonly object[] = []): void {
      orders.set(order.id, order)
      refunds.set(order.id, itsRefunds)
    },
    close: () => new Promise<void>(resolve => server.close(() => resolve()).closeAllConnections()),
  }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' }).end(JSON.stringify(body))
}
