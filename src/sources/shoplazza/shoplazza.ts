import type { OrderSnapshot } from '../../../schemas/order.ts'
import { SHOPLAZZA, type ShoplazzaConnection } from '../../../schemas/vendor/connections.ts'
import { AppError } from '../../lib/errors.ts'
import { isStep } from '../../lib/id-text.ts'
import type { Log } from '../../telemetry/log.ts'
import { defineSource, type VendorSource } from '../define-source.ts'
import type { Query, VendorHttp } from '../shared/http.ts'
import { rowsOn } from '../shared/page-number.ts'
import { emptyAsNull, quantityOf, textOf } from '../shared/parse.ts'
import { readRows } from '../shared/read-rows.ts'
import { readList } from '../shared/skip-known.ts'
import { zonelessNotice } from '../shared/zoneless.ts'
import type { FeedPage, KnownRows, Page, ReadOptions, Reject, Window } from '../source.ts'
import { createShoplazzaApi } from './shoplazza-api.ts'
import { completeRefunds } from './shoplazza-refunds.ts'
import { readShoplazzaOrder } from './shoplazza-row.ts'
import { shoplazzaWebhook } from './shoplazza-webhook.ts'

/** As published: for each app and store a bucket of 40 that leaks 2 a second. */
const LIMIT = { perSecond: 2, burst: 40 }

const PAGE_SIZE = 250
/** Up to so many orders are asked for one by one, which no version can misunderstand. */
const FEW = 5
const IDS_PER_REQUEST = 50

/** Shoplazza's orders, version 2022-01 or of the family that began with 2025-06. Its webhooks only say what to read again. */
export function createShoplazza(deps: {
  connection: Pick<ShoplazzaConnection, 'baseUrl' | 'apiVersion' | 'accessToken'>
  http: VendorHttp
  log?: Pick<Log, 'warn'>
}): VendorSource {
  const { connection, http, log } = deps
  const api = createShoplazzaApi(connection, http)
  const sizeParam = api.newer ? 'page_size' : 'limit'
  const onZoneless = zonelessNotice(log)

  const readRow = (row: unknown): OrderSnapshot | Reject => readShoplazzaOrder(row, { onZoneless })

  async function list(query: Query, { signal, priority }: ReadOptions, known?: KnownRows) {
    const answer = await api.ask('/orders', { signal, priority, query, accept: [400, 406] })
    if (answer.status === 406) throw tooDeep()
    if (answer.status === 400) throw notUnderstood(api.version)
    const found = readList(answer, { paths: LIST_PATHS, known, listOf: body => listOf(answer.unwrap(body)), readRow })
    return { ...found, listed: { ...found.listed, count: found.count } }
  }

  function listOf(body: Record<string, unknown>) {
    const { orders, count, next_token, cursor, has_more } = body
    const rows = emptyAsNull(orders)
    const total = quantityOf(count)
    const listed = {
      total: total.state === 'given' ? Math.floor(total.value) : null,
      token: wordOf(api.newer ? cursor : next_token),
      hasMore: has_more,
    }
    // An empty list may come as null, but not where the vendor counts rows.
    if (rows === null && 'orders' in body && (listed.total ?? 0) === 0) return { ...listed, rows: [] }
    if (!Array.isArray(rows))
      throw new AppError(`GET /orders answered without a list of orders${counted(listed.total)}. It is tried again.`, {
        code: 'shoplazza.malformed',
        intent: 'retry',
      })
    return { ...listed, rows }
  }

  async function readPageBy(
    time: 'updated' | 'created',
    window: Window,
    page: string | null,
    options: ReadOptions,
  ): Promise<FeedPage> {
    const asked = page === null ? FIRST : (JSON.parse(page) as Place)
    const conditions = {
      [`${time}_at_min`]: seconds(Math.floor(window.from / 1000)),
      [`${time}_at_max`]: seconds(Math.ceil(window.to / 1000)),
      [sizeParam]: PAGE_SIZE,
    }
    const place = api.newer ? { cursor: asked.token } : asked.token ? { next_token: asked.token } : { page: asked.page }
    const { listed, page: read } = await list({ ...conditions, ...place }, options, options.known)
    const next = api.newer ? afterCursor(asked, listed) : afterToken(asked, listed, rowsOn(read))
    return {
      ...read,
      next: next === null ? null : JSON.stringify(next),
      total: listed.total,
      pageSize: PAGE_SIZE,
    }
  }

  /** null: the shop knows no such order. */
  async function readOne(orderId: string, { signal, priority }: ReadOptions): Promise<Page | null> {
    if (isStep(orderId)) return null
    const path = `/orders/${encodeURIComponent(orderId)}`
    const answer = await api.get(path, { signal, priority, accept: [404], label: '/orders/{id}' })
    if (answer.status === 404) return null
    const { body } = answer
    const row = 'order' in body ? body.order : body
    if (emptyAsNull(row) === null) return null
    const page = readRows([row], readRow)
    const found = page.orders[0]?.orderId ?? page.rejects[0]?.orderId ?? ('order' in body ? orderId : null)
    if (found === orderId) return page
    throw new AppError('GET /orders/{id} did not answer the order asked for. It is tried again.', {
      code: 'shoplazza.malformed',
      intent: 'retry',
    })
  }

  /** Those of these orders that a list shows; an answer with others among them is not believed (unknown parameters are ignored). */
  async function readSome(ids: readonly string[], options: ReadOptions): Promise<Page> {
    const filter = api.newer ? { ids } : { ids: ids.join(',') }
    const { page } = await list({ ...filter, [sizeParam]: PAGE_SIZE }, options)
    return page.rejects.length === 0 && page.orders.every(({ orderId }) => ids.includes(orderId)) ? page : NO_ROWS
  }

  async function fetch(wanted: readonly string[], options: ReadOptions): Promise<Page> {
    const pages: Page[] = []
    if (wanted.length > FEW)
      for (let at = 0; at < wanted.length; at += IDS_PER_REQUEST)
        pages.push(await readSome(wanted.slice(at, at + IDS_PER_REQUEST), options))
    const found = new Set(pages.flatMap(({ orders }) => orders.map(({ orderId }) => orderId)))
    for (const orderId of wanted) if (!found.has(orderId)) pages.push((await readOne(orderId, options)) ?? NO_ROWS)
    return { orders: pages.flatMap(({ orders }) => orders), rejects: pages.flatMap(({ rejects }) => rejects) }
  }

  return {
    feed: {
      kind: 'window',
      precisionMs: 1000,
      readPage: (window, page, options) => readPageBy('updated', window, page, options),
      readCreated: (window, page, options) => readPageBy('created', window, page, options),
    },
    async fetch(refs, options) {
      const page = await fetch([...new Set(refs.map(({ orderId }) => orderId))], options)
      return { ...page, orders: await completeRefunds(api, page.orders, options) }
    },
    complete: (snapshots, options) => completeRefunds(api, snapshots, options),
    async check(options) {
      const { total, count } = (await list({ [sizeParam]: 1 }, options)).listed
      return `Shoplazza ${api.version} answers; ${total ?? (count > 0 ? 'some' : 'no')} orders`
    },
  }
}

export const shoplazza = defineSource({
  ...SHOPLAZZA,
  limit: LIMIT,
  create: createShoplazza,
  webhook: ({ webhookSecret }) => (webhookSecret === undefined ? null : shoplazzaWebhook([webhookSecret].flat())),
})

interface Listed {
  /** Rows of the page. */
  readonly count: number
  readonly total: number | null
  /** `next_token` or `cursor`; null: none. */
  readonly token: string | null
  readonly hasMore: unknown
}

/** Where a page begins: behind a token, else at a page number. `before`: rows on the pages before it. */
interface Place {
  readonly token: string | null
  readonly page: number
  readonly before: number
}

const FIRST: Place = { token: null, page: 1, before: 0 }
/** In an envelope or not; the vendor's general words on paging put the rows straight into `data`. */
const LIST_PATHS = [['orders'], ['data', 'orders'], ['data']] as const
const NO_ROWS: Page = { orders: [], rejects: [] }

/** 2025-06 and later. `has_more: null` is the end (case 24); where it is not even mentioned, a cursor means more. */
function afterCursor(asked: Place, { token, hasMore, count }: Listed): Place | null {
  const more = hasMore === undefined ? token !== null && count > 0 : hasMore === true
  if (!more) return null
  if (token === null || token === asked.token) throw repeated('cursor')
  // Without counts, so that the same cursor makes the same place and a circle of them is seen.
  return { token, page: 1, before: 0 }
}

/** 2022-01: the token where there is one, else page numbers up to `count`. */
function afterToken(asked: Place, { token, count, total }: Listed, distinct: number): Place | null {
  if (count === 0) return null
  const before = asked.before + distinct
  const page = asked.page + 1
  if (token !== null) {
    if (token === asked.token) throw repeated('next_token')
    if (count < PAGE_SIZE && total !== null && before >= total) return null
    // More rows than there are: the tokens lead in a circle.
    if (total !== null && asked.before > total) throw repeated('next_token')
    return { token, page, before }
  }
  if (asked.token !== null) return null
  const isLast = total === null ? count < PAGE_SIZE : before >= total
  return isLast ? null : { token: null, page, before }
}

const wordOf = (value: unknown): string | null => {
  const word = textOf(value)
  return word.state === 'given' ? word.value : null
}

const seconds = (epoch: number): string => `${new Date(epoch * 1000).toISOString().slice(0, 19)}Z`

const counted = (total: number | null): string => (total === null ? '' : ` and a count of ${total}`)

/** Case 25. */
function repeated(name: string): AppError {
  return new AppError(
    `GET /orders answered with the ${name} it was asked with, or with none although there is more: reading on would never end. It is tried again.`,
    { code: 'vendor.repeated_cursor', intent: 'retry' },
  )
}

/** Case 26. */
function tooDeep(): AppError {
  return new AppError('GET /orders answered 406: the page is too large or too deep. A smaller window is asked for.', {
    code: 'shoplazza.too_deep',
    intent: 'narrow',
  })
}

function notUnderstood(version: string): AppError {
  return new AppError(
    `GET /orders answered 400: the parameters of version ${version} were not understood. Check baseUrl and apiVersion if it stays so.`,
    { code: 'shoplazza.refused', intent: 'retry' },
  )
}
