import type { OrderSnapshot } from '../../../schemas/order.ts'
import { KAKACLO, type KakacloConnection } from '../../../schemas/vendor/connections.ts'
import { KakacloAnswer, KakacloPage } from '../../../schemas/vendor/kakaclo.ts'
import { AppError } from '../../lib/errors.ts'
import type { Log } from '../../telemetry/log.ts'
import { defineSource, type VendorSource } from '../define-source.ts'
import type { Query, VendorHttp } from '../shared/http.ts'
import { nextPage, placeOf } from '../shared/page-number.ts'
import { emptyAsNull, quantityOf, scalarText } from '../shared/parse.ts'
import { readList } from '../shared/skip-known.ts'
import { zonelessNotice } from '../shared/zoneless.ts'
import type { KnownRows, Page, ReadOptions, Reject, WindowFeed } from '../source.ts'
import { readKakacloOrder } from './kakaclo-row.ts'

/** As published: a bucket of 120 that leaks 2 a second, for each app and store. */
const LIMIT = { perSecond: 2, burst: 120 }

const PAGE_SIZE = 250
const IDS_PER_REQUEST = 100
const OK = '10000'

interface Listed {
  readonly rows: readonly unknown[]
  readonly total: number | null
  readonly pageSize: number
}

/** Kakaclo's order list, version 1 or 2. The vendor has no webhooks, and no other way to learn of a change. */
export function createKakaclo(deps: {
  connection: Pick<KakacloConnection, 'apiVersion' | 'token' | 'currency'>
  http: VendorHttp
  log?: Pick<Log, 'warn'>
}): VendorSource {
  const { connection, http, log } = deps
  const path = `/${connection.apiVersion}/order/orders`
  const onZoneless = zonelessNotice(log)

  const readRow = (row: unknown): OrderSnapshot | Reject =>
    readKakacloOrder(row, { currency: connection.currency, onZoneless })

  async function list(query: Query, { signal, priority }: ReadOptions, known?: KnownRows) {
    const answer = await http.get(path, {
      signal,
      priority,
      query,
      headers: { authorization: `Bearer ${connection.token}` },
    })
    const listOf = (body: unknown) => readListed(body, `GET ${path}`)
    return readList(answer, { paths: [['data', 'list']], known, listOf, readRow })
  }

  const readPageBy =
    (time: 'update' | 'create'): WindowFeed['readPage'] =>
    async ({ from, to }, page, options) => {
      const at = placeOf(page)
      const { listed, page: read } = await list(
        {
          [`${time}StartTime`]: seconds(Math.floor(from / 1000)),
          [`${time}EndTime`]: seconds(Math.ceil(to / 1000)),
          pageNumber: at.number,
          pageSize: PAGE_SIZE,
        },
        options,
        options.known,
      )
      const { total, pageSize } = listed
      return { ...read, next: nextPage(at, read, { total, pageSize }), total, pageSize }
    }

  return {
    feed: { kind: 'window', precisionMs: 1000, readPage: readPageBy('update'), readCreated: readPageBy('create') },

    async fetch(refs, options) {
      const wanted = [...new Set(refs.map(({ orderId }) => orderId))]
      const pages: Page[] = []
      for (let at = 0; at < wanted.length; at += IDS_PER_REQUEST) {
        const ids = new Set(wanted.slice(at, at + IDS_PER_REQUEST))
        const { page } = await list({ ids: [...ids].join(','), pageNumber: 1, pageSize: PAGE_SIZE }, options)
        const { orders, rejects } = page
        pages.push({ orders: orders.filter(({ orderId }) => ids.has(orderId)), rejects })
      }
      return {
        orders: pages.flatMap(({ orders }) => orders),
        rejects: pages.flatMap(({ rejects }) => rejects),
      }
    },

    async check(options) {
      const { listed } = await list({ pageNumber: 1, pageSize: 1 }, options)
      return `Kakaclo ${connection.apiVersion} answers; ${listed.total ?? 'an unknown number of'} orders in all`
    },
  }
}

const seconds = (epoch: number): string => `${new Date(epoch * 1000).toISOString().slice(0, 19)}Z`

/** Checks the envelope; `where` begins the message of what is wrong with it. */
function readListed(json: unknown, where: string): Listed {
  const answer = KakacloAnswer.safeParse(json)
  const code = answer.success ? emptyAsNull(answer.data.code) : null
  // Case 1: a failure may come with HTTP 200. Never by `message`, which varies.
  if (!answer.success || scalarText(code) !== OK)
    throw failed(
      `${where} answered ${code === null ? 'without a code' : `code ${scalarText(code).slice(0, 20)}`}`,
      'failed',
    )
  const page = KakacloPage.safeParse(answer.data.data)
  if (!page.success) throw failed(`${where} answered code ${OK} without data`, 'malformed')
  const count = (value: unknown): number | null => {
    const read = quantityOf(value)
    return read.state === 'given' ? Math.floor(read.value) : null
  }
  const total = count(page.data.total)
  const rows = emptyAsNull(page.data.list)
  // Case 2: a list of null is an empty one only if the vendor counts none.
  if (rows === null && total !== 0) throw failed(`${where} answered no list, and a total of ${total}`, 'malformed')
  if (rows !== null && !Array.isArray(rows)) throw failed(`${where} answered a list that is none`, 'malformed')
  const size = count(page.data.pageSize)
  return { rows: rows ?? [], total, pageSize: size !== null && size > 0 && size <= PAGE_SIZE ? size : PAGE_SIZE }
}

function failed(found: string, code: 'failed' | 'malformed'): AppError {
  return new AppError(`${found}; expected code ${OK} and a list of orders. It is tried again.`, {
    code: `kakaclo.${code}`,
    intent: 'retry',
  })
}

export const kakaclo = defineSource({ ...KAKACLO, limit: LIMIT, create: createKakaclo })
