import { createHash } from 'node:crypto'
import type { Context, Hono } from 'hono'
import type { Clock } from '../lib/clock.ts'
import {
  count,
  createDesk,
  type Desk,
  json,
  param,
  type Row,
  type SandboxEnv,
  type SharedSwitches,
  seconds,
  text,
  timeOf,
  toSecond,
  wordOf,
} from './desk.ts'
import type { Shelved } from './shelf.ts'

/** Simulated Shoplazza: orders and refund records in the versions 2022-01 and 2025-06 and later (vendors.md, Shoplazza). */

export const SHOPLAZZA_TOKEN = 'sandbox-shoplazza-token'
export const SHOPLAZZA_WEBHOOK_SECRET = 'sandbox-shoplazza-secret'
const SHOPLAZZA_VERSIONS = ['2022-01', '2025-06', '2026-01', '2026-07'] as const

const LARGEST_PAGE = 250
const LARGEST_REFUND_PAGE = 100
const MOST_ORDER_IDS = 10

interface ShoplazzaSwitches extends SharedSwitches {
  /** Whether version 2022-01 offers a `next_token`. */
  tokens: boolean
  /** Whether 2025-06 and later wrap orders in `{ code, message, data }`, as they do refunds. */
  wrap: boolean
  /** Whether lists know their `ids` parameters; what a version does not know it ignores. */
  ids: boolean
  /** Pages cannot reach beyond this row. */
  deepest: number
}

/** An order's main shape is version 2022-01, its other shape that of 2025-06 and later. */
export type ShoplazzaDesk = Desk<ShoplazzaSwitches> & {
  /** Sets an order's refund records; `newer` where 2025-06 and later show them otherwise. */
  putRefunds(orderId: string, records: readonly Row[], newer?: readonly Row[]): void
}

const STATUS_FILTERS = ['status', 'financial_status', 'fulfillment_status'] as const
const SORTABLE = ['created_at', 'updated_at', 'placed_at', 'id']

/** The end of a page: the last row's place in the index, and the conditions of the request. */
interface Bookmark {
  readonly updatedAt: number
  readonly n: number
  readonly conditions: string
}

const encode = (bookmark: Bookmark): string => Buffer.from(JSON.stringify(bookmark)).toString('base64url')

function decode(cursor: string): Bookmark | null {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return null
  }
}

export function createShoplazza(clock: Clock): { desk: ShoplazzaDesk; app: Hono<SandboxEnv> } {
  const refunds = new Map<string, { older: readonly Row[]; newer: readonly Row[] }>()
  const desk = createDesk<ShoplazzaSwitches>(
    {
      vendor: 'shoplazza',
      switches: {
        limits: { perSecond: 2, burst: 40 },
        clockOffsetMs: 0,
        sort: 'newest',
        tokens: true,
        wrap: true,
        ids: true,
        deepest: 10_000,
      },
      keysOf: row => ({
        id: String(row.id),
        updatedAt: timeOf(row.updated_at),
        createdAt: timeOf(row.created_at),
        placedAt: timeOf(row.placed_at),
        words: Object.fromEntries(STATUS_FILTERS.map(name => [name, wordOf(row[name])])),
        owner: null,
      }),
      touch: now => ({ updated_at: seconds(now) }),
      tooMany: (c, waitMs) => {
        c.header('retry-after', String(Math.ceil(waitMs / 1000)))
        return json(c, { errors: ['Exceeded rate limit'] }, 429)
      },
    },
    clock,
  )

  const app = desk.serve(c => {
    const [, , , version = ''] = new URL(c.req.url).pathname.split('/')
    if (!SHOPLAZZA_VERSIONS.some(known => known === version)) return json(c, { errors: ['Not Found'] }, 404)
    return c.req.header('access-token') === SHOPLAZZA_TOKEN ? null : json(c, { errors: ['Unauthorized'] }, 401)
  })

  const isNewer = (c: Context<SandboxEnv>): boolean => (c.req.param('version') ?? '') >= '2025-06'
  const jsonOf = (c: Context<SandboxEnv>, entry: Shelved): string => (isNewer(c) ? entry.otherJson : entry.json)

  /** 2022-01 answers bare, later versions in an envelope. */
  const answer = (c: Context<SandboxEnv>, body: string, wrapped: boolean): Response =>
    text(c, wrapped ? `{"code":"Success","message":"","data":${body}}` : body)
  const refuse = (c: Context<SandboxEnv>, status: number, message: string): Response =>
    json(c, isNewer(c) ? { code: 'InvalidParameter', message } : { errors: [message] }, status)

  /** 2022-01 takes comma lists, later versions repeated names. */
  const listParam = (c: Context<SandboxEnv>, name: string): readonly string[] | null => {
    if (isNewer(c)) return c.req.queries(name) ?? null
    return param(c, name)?.split(',') ?? null
  }

  const select = (c: Context<SandboxEnv>): readonly Shelved[] => {
    const from = timeOf(param(c, 'updated_at_min')) ?? 0
    const to = timeOf(param(c, 'updated_at_max'))
    let found = desk.shelf.window(toSecond(from), to === null ? Infinity : toSecond(to) + 999)
    for (const [name, field] of [
      ['created_at', 'createdAt'],
      ['placed_at', 'placedAt'],
    ] as const) {
      const [min, max] = [timeOf(param(c, `${name}_min`)), timeOf(param(c, `${name}_max`))]
      if (min !== null) found = found.filter(entry => (entry[field] ?? 0) >= min)
      if (max !== null) found = found.filter(entry => toSecond(entry[field] ?? 0) <= max)
    }
    for (const name of STATUS_FILTERS) {
      const wanted = listParam(c, name)
      if (wanted !== null) found = found.filter(entry => wanted.includes(entry.words[name] ?? ''))
    }
    const ids = desk.switches.ids ? listParam(c, 'ids') : null
    if (ids !== null) found = found.filter(entry => ids.includes(entry.id))
    return found
  }

  /** Everything that must be the same when a page is continued. */
  const conditionsOf = (c: Context<SandboxEnv>): string => {
    const conditions = new URL(c.req.url).searchParams
    for (const name of ['next_token', 'cursor', 'page', 'limit', 'page_size']) conditions.delete(name)
    conditions.sort()
    return createHash('sha256').update(conditions.toString()).digest('hex').slice(0, 12)
  }

  const direction = (c: Context<SandboxEnv>): 'newest' | 'oldest' => {
    const asked = param(c, 'sort_direction')
    return asked === null ? desk.switches.sort : asked === 'desc' ? 'newest' : 'oldest'
  }

  const invalidSort = (c: Context<SandboxEnv>): Response | null => {
    const [by, towards] = [param(c, 'sort_by'), param(c, 'sort_direction')]
    if (by !== null && !SORTABLE.includes(by)) return refuse(c, 400, 'invalid sort_by param')
    if (towards !== null && towards !== 'asc' && towards !== 'desc')
      return refuse(c, 400, 'invalid sort_direction param')
    return null
  }

  /** The rows behind a bookmark, in the direction asked for. */
  const continueAt = (found: readonly Shelved[], bookmark: Bookmark | null, newest: boolean): readonly Shelved[] => {
    const ordered = newest ? found.toReversed() : found
    if (bookmark === null) return ordered
    const sign = newest ? -1 : 1
    return ordered.filter(entry => {
      const distance = entry.updatedAt - bookmark.updatedAt || entry.n - bookmark.n
      return distance * sign > 0
    })
  }

  app.get('/:version/orders', c => {
    const refused = invalidSort(c)
    if (refused !== null) return refused
    const newer = isNewer(c)
    const size = count(c, newer ? 'page_size' : 'limit', 10)
    if (size > LARGEST_PAGE) return refuse(c, 406, 'per_page too large')
    const conditions = conditionsOf(c)
    const cursor = param(c, newer ? 'cursor' : 'next_token')
    const bookmark = cursor === null ? null : decode(cursor)
    if (cursor !== null && bookmark?.conditions !== conditions) return refuse(c, 400, 'invalid cursor')

    const found = select(c)
    const rows = continueAt(found, bookmark, direction(c) === 'newest')
    const skip = newer || cursor !== null ? 0 : (count(c, 'page', 1) - 1) * size
    if (skip + size > desk.switches.deepest) return refuse(c, 406, 'deep pagination not allowed')
    const page = rows.slice(skip, skip + size)
    const orders = `"orders":[${page.map(entry => jsonOf(c, entry)).join(',')}]`
    const last = page.at(-1)
    const more = last !== undefined && skip + page.length < rows.length
    const next = more ? encode({ updatedAt: last.updatedAt, n: last.n, conditions }) : ''
    if (newer)
      return answer(c, `{"cursor":"${next}","has_more":${more ? 'true' : 'null'},${orders}}`, desk.switches.wrap)
    const token = desk.switches.tokens ? `"next_token":"${next}",` : ''
    return answer(c, `{"count":${found.length},${token}${orders}}`, false)
  })

  const recordsOf = (c: Context<SandboxEnv>, orderId: string): readonly Row[] => {
    const records = refunds.get(orderId)
    return (isNewer(c) ? records?.newer : records?.older) ?? []
  }

  app.get('/:version/orders/refund_records', c => {
    const newer = isNewer(c)
    const ids = desk.switches.ids ? listParam(c, 'order_ids') : null
    if ((ids?.length ?? 0) > MOST_ORDER_IDS) return refuse(c, 400, `at most ${MOST_ORDER_IDS} order_ids`)
    const [from, to] = [timeOf(param(c, 'updated_at_start')), timeOf(param(c, 'updated_at_end'))]
    const records = (ids ?? [...refunds.keys()])
      .flatMap(id => recordsOf(c, id))
      .filter(record => {
        const at = timeOf(record.updated_at)
        return (from === null || (at ?? 0) >= from) && (to === null || (at ?? 0) <= to)
      })
    const size = count(c, newer ? 'page_size' : 'per_page', 10)
    if (size > LARGEST_REFUND_PAGE) return refuse(c, 406, 'per_page too large')
    const skip = newer ? Number(param(c, 'cursor') ?? 0) : (count(c, 'page', 1) - 1) * size
    const page = JSON.stringify(records.slice(skip, skip + size))
    if (!newer) return answer(c, `{"records":${page}}`, false)
    const more = skip + size < records.length
    return answer(
      c,
      `{"cursor":"${more ? skip + size : ''}","has_more":${more ? 'true' : 'null'},"records":${page}}`,
      true,
    )
  })

  app.get('/:version/orders/:id', c => {
    const entry = desk.shelf.get(c.req.param('id'))
    if (entry === undefined) return refuse(c, 404, 'Record not found')
    return answer(c, `{"order":${jsonOf(c, entry)}}`, isNewer(c) && desk.switches.wrap)
  })

  app.get('/:version/orders/:id/refund', c => {
    const entry = desk.shelf.get(c.req.param('id'))
    if (entry === undefined) return refuse(c, 404, 'Record not found')
    const order = {
      order_status: entry.words.status,
      order_financial_status: entry.words.financial_status,
      records: recordsOf(c, entry.id),
    }
    return answer(c, JSON.stringify(order), isNewer(c))
  })

  app.all('*', c => json(c, { errors: ['Not Found'] }, 404))

  return {
    desk: {
      ...desk,
      putRefunds: (orderId, records, newer = records) => refunds.set(orderId, { older: records, newer }),
      remove(id) {
        refunds.delete(id)
        return desk.remove(id)
      },
      clear() {
        desk.clear()
        refunds.clear()
      },
    },
    app,
  }
}
