import type { Random } from '../../src/sandbox/random.ts'
import { tuyaSignature } from '../../src/sandbox/tuya.ts'
import { cursorPage } from './direct.ts'
import type { WireAnswer, WireRequest } from './network.ts'
import type { TrueOrder } from './orders.ts'
import type { Listed, Shop } from './shop.ts'
import { type Family, kakacloRow, recordRows, shoplazzaRow, tuyaRow } from './wire-rows.ts'

/** The APIs of the vendors, as far as the sources ask them, made from what is true. */

export type WireVendor = (request: WireRequest) => WireAnswer | 'not found'

export interface WireDeps {
  readonly shop: Shop
  readonly random: Random
  readonly pageSize: number
  readonly note: (line: string) => void
}

const json = (body: unknown, status = 200): WireAnswer => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: JSON.stringify(body),
})

/** A page as it leaves the shop; `total` null: the vendor does not count. */
interface Page {
  rows: unknown[]
  total: number | null
  next: string | null
  /** The cursor asked with. */
  asked: string | null
}

/** What is wrong with a page now and then, in ways that can be noticed. */
function spoil(page: Page, { shop, random, note }: WireDeps, stray: () => unknown): void {
  if (!random.chance(shop.manners.wrongPage)) return
  const wrong = random.pick(['twice', 'short', 'empty', 'count', 'repeat', 'stray'] as const)
  note(`${shop.id} answers a wrong page: ${wrong}`)
  const counts = page.total !== null
  if (wrong === 'twice') page.rows = [...page.rows, ...page.rows.slice(0, 1)]
  if (wrong === 'short' && counts) page.rows = page.rows.slice(1)
  if (wrong === 'empty' && counts && page.total !== 0) page.rows = []
  if (wrong === 'count' && page.total !== null) page.total += random.between(1, 3)
  if (wrong === 'repeat' && page.next !== null && page.asked !== null) page.next = page.asked
  if (wrong === 'stray' && page.rows.length > 0) page.rows = [stray(), ...page.rows]
}

function illegible(shop: Shop, { id }: TrueOrder): boolean {
  const order = shop.orders.get(id)
  return order !== undefined && order.unreadableUntil > shop.now()
}
const doubtful = (shop: Shop, order: TrueOrder) => (shop.orders.get(order.id)?.doubtUntil ?? 0) > shop.now()

/** By update time, by creation time, or both, as a query says. */
function within(list: readonly Listed[], query: URLSearchParams, updated: Names, created: Names): Listed[] {
  const bounds = ([from, to]: Names) => [Date.parse(query.get(from) ?? ''), Date.parse(query.get(to) ?? '')] as const
  const isIn = (at: number, [min, max]: readonly [number, number]) => !(at < min) && !(at > max)
  const [changes, creations] = [bounds(updated), bounds(created)]
  return list.filter(({ updatedAt, order }) => isIn(updatedAt, changes) && isIn(order.placedAt, creations))
}
type Names = readonly [from: string, to: string]

const numbered = (list: readonly Listed[], number: number, size: number): TrueOrder[] =>
  list.slice((number - 1) * size, number * size).map(({ order }) => order)

/** A list that holds a cursed order is none: a server error, or text that ends too early. */
const isBroken = (shop: Shop, list: readonly Listed[]) => list.some(({ order }) => shop.isCursed(order.id))
const broken = (random: Random): WireAnswer =>
  random.chance(0.5) ? json({ error: 'oops' }, 500) : { ...json(null), body: '{"code":10000,"data":{"list":[{"id":"' }

export function wireKakaclo(deps: WireDeps): WireVendor {
  const { shop, random, pageSize } = deps
  const row = (order: TrueOrder) => (illegible(shop, order) ? '?' : kakacloRow(order, doubtful(shop, order)))
  return ({ path, query, headers }) => {
    if (!path.endsWith('/order/orders')) return 'not found'
    if (headers.authorization !== 'Bearer t') return json({ code: 401, message: 'no', data: null }, 401)
    if (random.chance(shop.manners.wrongPage / 6)) return json({ code: 50_000, message: 'system busy', data: null })
    const ids = query.get('ids')?.split(',')
    if (ids) {
      const list = ids.flatMap(id => shop.order(id) ?? []).map(row)
      return json({
        code: 10_000,
        message: 'success',
        data: { total: list.length, pageNumber: 1, pageSize: 250, list },
      })
    }
    const inside = within(
      shop.listed(),
      query,
      ['updateStartTime', 'updateEndTime'],
      ['createStartTime', 'createEndTime'],
    )
    if (isBroken(shop, inside)) return broken(random)
    const number = Number(query.get('pageNumber'))
    const size = Math.min(Number(query.get('pageSize')), pageSize)
    const page: Page = {
      rows: numbered(inside, number, size).map(row),
      total: inside.length + shop.phantoms,
      next: null,
      asked: null,
    }
    spoil(page, deps, () => row(oldest(shop)))
    const list = random.chance(shop.manners.wrongPage / 6) && page.total !== 0 ? null : page.rows
    return json({
      code: 10_000,
      message: 'success',
      data: { vo: null, total: page.total, pageNumber: number, pageSize: size, list },
    })
  }
}

/** One that has not changed for longest. */
const oldest = (shop: Shop): TrueOrder => {
  const [first, ...others] = shop.orders.values()
  const found = others.reduce((one, other) => (other.updatedAt < (one?.updatedAt ?? 0) ? other : one), first)
  return found as TrueOrder
}

export function wireShoplazza(deps: WireDeps & { family: Family }): WireVendor {
  const { shop, random, pageSize, family } = deps
  const newer = family === '2025-06'
  const tokens = random.chance(0.5)
  const row = (order: TrueOrder) => (illegible(shop, order) ? '?' : shoplazzaRow(order, family, doubtful(shop, order)))
  const wrapped = (body: unknown) => json(newer ? { code: 'Success', message: '', data: body } : body)
  const ids = (query: URLSearchParams, name: string) =>
    query.has(name) ? (newer ? query.getAll(name) : (query.get(name) ?? '').split(',')) : null

  function list(query: URLSearchParams): WireAnswer {
    const wanted = ids(query, 'ids')
    if (wanted)
      return listOf({ rows: wanted.flatMap(id => shop.order(id) ?? []).map(row), total: null, next: null, asked: null })
    const inside = within(
      shop.listed(),
      query,
      ['updated_at_min', 'updated_at_max'],
      ['created_at_min', 'created_at_max'],
    )
    if (inside.length > pageSize && random.chance(shop.manners.tooLarge)) return json({ errors: ['too deep'] }, 406)
    if (isBroken(shop, inside)) return broken(random)
    const token = query.get(newer ? 'cursor' : 'next_token')
    const byToken = cursorPage(shop, inside, token, pageSize)
    const number = Number(query.get('page') ?? 1)
    const rows = newer || tokens ? byToken.rows : numbered(inside, number, pageSize)
    const page: Page = {
      rows: rows.map(row),
      total: newer ? null : inside.length + shop.phantoms,
      next: byToken.next,
      asked: token,
    }
    spoil(page, deps, () => row(oldest(shop)))
    return listOf(page)
  }

  function listOf({ rows, total, next }: Page): WireAnswer {
    if (newer) return wrapped({ cursor: next ?? '', has_more: next === null ? null : true, orders: rows })
    return wrapped({ count: total ?? rows.length, ...(tokens && { next_token: next ?? '' }), orders: rows })
  }

  return ({ path, query, headers }) => {
    if (headers['access-token'] !== 't') return json({ errors: ['Unauthorized'] }, 401)
    const [, rest = ''] = path.split(/\/\d{4}-\d{2}\//)
    if (rest === 'orders') return list(query)
    const isRecords = rest === 'orders/refund_records'
    if (isRecords || rest.endsWith('/refund')) {
      if (random.chance(shop.manners.blind)) return json({ errors: ['not now'] }, random.pick([500, 503] as const))
      const wanted = isRecords ? (ids(query, 'order_ids') ?? []) : [rest.split('/')[1] ?? '']
      const records = wanted.flatMap(id => {
        const order = shop.order(id)
        return order ? recordRows(order, family, shop.now()) : []
      })
      return wrapped({ ...(newer && { cursor: '', has_more: null }), records })
    }
    const order = shop.order(rest.split('/')[1] ?? '')
    return order ? wrapped({ order: row(order) }) : json({ errors: ['Record not found'] }, 404)
  }
}

const CLOCK_TOLERANCE_MS = 300_000

export function wireTuya(deps: WireDeps): WireVendor {
  const { shop, random, pageSize } = deps
  let token = { access: '', refresh: '', until: 0 }
  let issued = 0
  const failed = (code: number) => json({ code, msg: 'no', success: false, t: shop.now(), tid: 'x' })
  const succeeded = (result: unknown) => json({ result, success: true, t: shop.now(), tid: 'x' })
  const row = (order: TrueOrder, lines: boolean) =>
    illegible(shop, order) ? '?' : tuyaRow(order, doubtful(shop, order), lines)

  function issue(): WireAnswer {
    issued++
    const seconds = random.pick([30, 300, 7_200] as const)
    token = { access: `access${issued}`, refresh: `refresh${issued}`, until: shop.now() + seconds * 1000 }
    return succeeded({ access_token: token.access, refresh_token: token.refresh, expire_time: seconds })
  }

  /** The code of a refusal; null: none. */
  function refusal({ headers, url, path }: WireRequest): number | null {
    const t = headers.t ?? ''
    if (Math.abs(Number(t) - shop.now()) > CLOCK_TOLERANCE_MS) return 1013
    const accessToken = headers.access_token
    const signed = { clientId: 'c', secret: 's', method: 'GET', url, body: '', t, nonce: headers.nonce ?? '' }
    if (tuyaSignature({ ...signed, ...(accessToken !== undefined && { accessToken }) }) !== headers.sign) return 1004
    if (path.startsWith('/v1.0/token')) return null
    if (accessToken !== token.access) return 1011
    if (token.until <= shop.now()) return 1010
    return random.chance(shop.manners.limited / 2) ? 1110 : null
  }

  return request => {
    const { path, query } = request
    const code = refusal(request)
    if (code !== null) return failed(code)
    if (path === '/v1.0/token') return issue()
    if (path.startsWith('/v1.0/token/')) return path.endsWith(`/${token.refresh}`) ? issue() : failed(1011)
    if (path.endsWith('/order/search')) {
      const mine = shop.ofUser(query.get('user_id') ?? '')
      const rows = numbered(mine, Number(query.get('page_no')), pageSize).map(order => row(order, false))
      const page: Page = { rows, total: mine.length, next: null, asked: null }
      if (mine.length > 0) spoil(page, deps, () => row(oldest(shop), false))
      return succeeded({ page_no: 1, page_size: pageSize, total: page.total, data_list: page.rows })
    }
    const order = shop.order(path.split('/').at(-1) ?? '')
    return order ? succeeded(row(order, true)) : failed(2005001)
  }
}
