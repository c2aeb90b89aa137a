import type { OrderSnapshot } from '../../../schemas/order.ts'
import { TUYA, type TuyaConnection } from '../../../schemas/vendor/connections.ts'
import { TuyaSearch } from '../../../schemas/vendor/tuya.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { isStep } from '../../lib/id-text.ts'
import { defineSource, type VendorSource } from '../define-source.ts'
import type { VendorHttp } from '../shared/http.ts'
import { nextPage, placeOf } from '../shared/page-number.ts'
import { emptyAsNull, quantityOf } from '../shared/parse.ts'
import { readRows } from '../shared/read-rows.ts'
import { reject } from '../shared/row-reader.ts'
import { together } from '../shared/two-readings.ts'
import type { OrderRef, ReadOptions, Reject } from '../source.ts'
import { createTuyaClient } from './tuya-client.ts'
import { readTuyaOrder, tuyaStatuses } from './tuya-row.ts'
import { tuyaEncode } from './tuya-sign.ts'
import { createTokenKeeper, type TokenKeeper } from './tuya-token.ts'

/** The least of what is seen of the limits a project has for each API. */
const LIMIT = { perSecond: 5, burst: 5 }

const ORDERS = '/v1.0/mall/plugin/order'
const PAGE_SIZE = 50

/** Tuya mall: no list of what changed, and no list of a shop; only the orders of a known user, and known orders, can be asked for. */
export function createTuya(deps: {
  connection: Pick<TuyaConnection, 'clientId' | 'clientSecret' | 'mallCode' | 'shopCode' | 'statuses'>
  http: VendorHttp
  clock: Clock
  /** Shared by the connections of one project; default: one of its own. */
  shared?: TokenKeeper
}): VendorSource {
  const { connection } = deps
  const client = createTuyaClient({ ...deps, tokens: deps.shared ?? createTokenKeeper(deps) })
  const shop = { mall_code: connection.mallCode, shop_code: connection.shopCode }
  const statuses = tuyaStatuses(connection.statuses)
  const readRow = (row: unknown) => readTuyaOrder(row, statuses)
  /** Whose orders the rows of a search are: the detail, which has their lines, asks for it. */
  const buyers = new WeakMap<OrderSnapshot, string>()

  /** null: the vendor does not know this order of this user (case 18). */
  async function detail(orderId: string, userId: string, options: ReadOptions): Promise<OrderSnapshot | Reject | null> {
    if (isStep(orderId)) return null
    const row = await client.get(`${ORDERS}/${tuyaEncode(orderId)}`, { ...shop, user_id: userId }, options)
    if (row === null) return null
    const {
      orders: [order],
      rejects: [broken],
    } = readRows([row], readRow)
    if (!order) return broken ? { ...broken, orderId } : null
    if (order.orderId === orderId) return order
    return reject(orderId, 'order_id', order.orderId, `asked for order ${orderId}, got another`)
  }

  async function read({ orderId, userId }: OrderRef, options: ReadOptions): Promise<OrderSnapshot | Reject | null> {
    if (userId !== null) return detail(orderId, userId, options)
    return reject(
      orderId,
      'userId',
      null,
      'Tuya gives an order only together with its buyer: follow it again with "userId"',
    )
  }

  return {
    feed: {
      kind: 'follow',
      async readUserPage(userId, page, options) {
        const at = placeOf(page)
        const query = { ...shop, user_id: userId, page_no: at.number, page_size: PAGE_SIZE }
        const { rows, total } = readSearch(await client.get(`${ORDERS}/search`, query, options))
        const read = readRows(rows, readRow)
        for (const order of read.orders) buyers.set(order, userId)
        return { ...read, next: nextPage(at, read, { total, pageSize: PAGE_SIZE }), total, pageSize: PAGE_SIZE }
      },
    },

    async fetch(refs, options) {
      const orders: OrderSnapshot[] = []
      const rejects: Reject[] = []
      for (const ref of refs) {
        const found = await read(ref, options)
        if (found === null) continue
        if ('reason' in found) rejects.push(found)
        else orders.push(found)
      }
      return { orders, rejects }
    },

    /**
     * Rows of a search name no lines: the detail of each is read as well. Where it cannot be read, the row is what there is; but while
     * the vendor asks for a pause the page waits, for what is said of an order is not said again with its lines.
     */
    complete: (snapshots, options) =>
      Promise.all(
        snapshots.map(async row => {
          const userId = buyers.get(row)
          if (userId === undefined) return row
          const found = await detail(row.orderId, userId, options).catch((error: unknown) => {
            if (!options.signal.aborted && isPassing(error)) return null
            throw error
          })
          return found === null || 'reason' in found ? row : together(row, found)
        }),
      ),

    async check(options) {
      const nobody = { ...shop, user_id: 'nobody', page_no: 1, page_size: 1 }
      await client.authorise(`${ORDERS}/search`, nobody, options)
      return 'Tuya answers and takes our token'
    },
  }
}

/** Connections of one project (the same base URL, client id and secret) share one token and one pace. */
export const tuya = defineSource({
  ...TUYA,
  limit: LIMIT,
  asksForBuyer: true,
  share: {
    groupOf: ({ baseUrl, clientId, clientSecret }) => [baseUrl.replace(/\/+$/, ''), clientId, clientSecret],
    open: createTokenKeeper,
  },
  create: createTuya,
})

const isPassing = (error: unknown): boolean =>
  error instanceof AppError && error.intent === 'retry' && error.retryAfterMs === undefined

/** A user without orders may come as null. */
function readSearch(result: unknown): { rows: readonly unknown[]; total: number | null } {
  if (result === null) return { rows: [], total: 0 }
  const page = TuyaSearch.safeParse(result)
  const count = page.success ? quantityOf(page.data.total) : null
  const total = count?.state === 'given' ? Math.floor(count.value) : null
  const rows = page.success ? emptyAsNull(page.data.data_list) : null
  if (Array.isArray(rows)) return { rows, total }
  if (page.success && rows === null && total === 0) return { rows: [], total }
  throw new AppError(`GET ${ORDERS}/search answered no list, and a total of ${total}. It is tried again.`, {
    code: 'tuya.malformed',
    intent: 'retry',
  })
}
