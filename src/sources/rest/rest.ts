import type { OrderSnapshot } from '../../../schemas/order.ts'
import { REST, type RestOptions } from '../../../schemas/vendor/rest.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { isStep } from '../../lib/id-text.ts'
import type { Log } from '../../telemetry/log.ts'
import { defineSource, type VendorSource } from '../define-source.ts'
import type { VendorHttp } from '../shared/http.ts'
import { emptyAsNull } from '../shared/parse.ts'
import { readRows } from '../shared/read-rows.ts'
import { together } from '../shared/two-readings.ts'
import { zonelessNotice } from '../shared/zoneless.ts'
import type { FeedPage, Page, ReadOptions, Reject, Window } from '../source.ts'
import { describeSample } from './rest-check.ts'
import { createRestClient, filled, filledQuery } from './rest-client.ts'
import { counter, createRestPaging } from './rest-paging.ts'
import { createPartReader } from './rest-parts.ts'
import { createFinder } from './rest-paths.ts'
import { createRestReaders, type RestRow } from './rest-row.ts'
import { filterTexts, tickOf, toleranceOf } from './rest-times.ts'

/** Nothing is known of the API: a pace that every shop can bear. */
const LIMIT = { perSecond: 2, burst: 10 }
/** What `check` reads. */
const SAMPLE_MS = 30 * 86_400_000
const NOT_FOUND = [404, 410]
const ALL = { lines: true, packages: true }

/** A JSON order API as a configuration describes it: what is where, and what proves which fact. */
export function createRest(deps: {
  connection: RestOptions & { readonly baseUrl: string }
  http: VendorHttp
  clock: Pick<Clock, 'now'>
  log?: Pick<Log, 'warn'>
}): VendorSource {
  const { connection, http, log } = deps
  const { list, one } = connection
  const client = createRestClient(connection, http)
  const readers = createRestReaders(connection)
  const completed = createPartReader(connection, readers, client)
  const paging = createRestPaging({ list, baseUrl: connection.baseUrl, secretKeys: client.secretKeys })
  const [findRows, findRow] = [createFinder(list.rows), createFinder(one.row)]
  const readTotal = list.total && counter(list.total)
  const onZoneless = zonelessNotice(log)
  /** Which lists of an order are still to be read. */
  const asks = new WeakMap<OrderSnapshot, RestRow['asks']>()

  function readRow(row: unknown): OrderSnapshot | Reject {
    const found = readers.order(row)
    if (found.zoneless.length > 0) onZoneless(found.zoneless)
    if (!('reason' in found.read)) asks.set(found.read, found.asks)
    return found.read
  }

  async function readList(
    filter: RestOptions['list']['updated'],
    window: Window,
    token: string | null,
    options: ReadOptions,
  ) {
    const asked = paging.request(token)
    const size = list.size.param === undefined ? {} : { [list.size.param]: list.size.value }
    const texts = filterTexts(list.times, window)
    const answer =
      'link' in asked
        ? await client.get(asked.link.path, asked.link.query, { ...options, label: list.path })
        : await client.get(
            list.path,
            { ...list.query, ...filledQuery(filter, texts), ...size, ...asked.query },
            options,
          )
    const total = readTotal?.(answer) ?? null
    const found = answer.status === 204 ? [] : emptyAsNull(findRows(answer.body).value)
    const rows = found === null && total === 0 ? [] : found
    if (!Array.isArray(rows)) throw malformed(`GET ${list.path} answered no list at ${list.rows}`)
    return { answer, total, rows }
  }

  const pageReader =
    (filter: RestOptions['list']['updated']) =>
    async (window: Window, token: string | null, options: ReadOptions): Promise<FeedPage> => {
      const { answer, total, rows } = await readList(filter, window, token, options)
      const page = readRows(rows, readRow)
      return { ...page, next: paging.next(token, answer, page, total), total, pageSize: list.size.value }
    }

  /** null: the API knows no such order. */
  async function readOne(orderId: string, options: ReadOptions): Promise<Page | null> {
    if (isStep(orderId)) return null
    const path = filled(one.path, { id: encodeURIComponent(orderId) })
    const query = filledQuery(one.query, { id: orderId })
    const answer = await client.get(path, query, { ...options, label: one.path, accept: NOT_FOUND })
    const row = emptyAsNull(answer.status >= 400 ? null : findRow(answer.body).value)
    if (row === null) return null
    const page = readRows([row], readRow)
    const found = page.orders[0]?.orderId ?? orderId
    if (found === orderId) return { ...page, rejects: page.rejects.map(reject => ({ ...reject, orderId })) }
    throw malformed(`GET ${one.path} did not answer the order asked for`)
  }

  async function complete(row: OrderSnapshot, options: ReadOptions): Promise<OrderSnapshot> {
    const page = one.each ? await readOne(row.orderId, options) : null
    const [detail] = page?.orders ?? []
    const order = detail ? together(row, detail) : row
    const doubts = page?.rejects.map(({ path, value, reason }) => ({ path, value, reason })) ?? []
    const done = await completed(order, asks.get(detail ?? row) ?? ALL, options)
    return doubts.length === 0 ? done : { ...done, doubts: [...done.doubts, ...doubts] }
  }

  return {
    feed: {
      kind: 'window',
      precisionMs: tickOf(list.times),
      toleranceMs: toleranceOf(list.times),
      readPage: pageReader(list.updated),
      ...(list.created && { readCreated: pageReader(list.created) }),
    },

    async fetch(refs, options) {
      const pages: Page[] = []
      for (const orderId of new Set(refs.map(ref => ref.orderId))) {
        const page = await readOne(orderId, options)
        const [order] = page?.orders ?? []
        if (order) pages.push({ orders: [await completed(order, asks.get(order) ?? ALL, options)], rejects: [] })
        else if (page) pages.push(page)
      }
      return { orders: pages.flatMap(({ orders }) => orders), rejects: pages.flatMap(({ rejects }) => rejects) }
    },

    ...(isWhole(connection) ? {} : { complete: (rows, options) => completeAll(rows, options) }),

    async check(options) {
      const to = http.vendorNow()
      const { rows, total } = await readList(list.updated, { from: to - SAMPLE_MS, to }, null, options)
      return describeSample({ connection, rows, total, page: readRows(rows, readRow) })
    },
  }

  /** All at once, at the pace that `http` keeps. One that fails calls off the others. */
  async function completeAll(rows: readonly OrderSnapshot[], options: ReadOptions): Promise<readonly OrderSnapshot[]> {
    const failed = new AbortController()
    const signal = AbortSignal.any([options.signal, failed.signal])
    try {
      return await Promise.all(rows.map(row => complete(row, { ...options, signal })))
    } catch (error) {
      failed.abort()
      throw error
    }
  }
}

/** Rows of the list hold all that is read of an order. */
const isWhole = ({ one, order }: RestOptions): boolean =>
  !one.each && [order.lines, order.packages, order.refunds].every(part => part?.request === undefined)

const malformed = (found: string): AppError =>
  new AppError(`${found}. It is tried again; check the configuration of this connection if it stays so.`, {
    code: 'rest.malformed',
    intent: 'retry',
  })

export const rest = defineSource({ ...REST, limit: LIMIT, create: createRest })
