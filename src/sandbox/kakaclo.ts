import type { Context, Hono } from 'hono'
import type { Clock } from '../lib/clock.ts'
import {
  count,
  createDesk,
  type Desk,
  json,
  param,
  type SandboxEnv,
  type SharedSwitches,
  seconds,
  text,
  timeOf,
  toSecond,
  wordOf,
} from './desk.ts'
import type { Shelved } from './shelf.ts'

/** Simulated Kakaclo: order lists of version 1 and 2 and the refund query (vendors.md, Kakaclo). */

export const KAKACLO_TOKEN = 'sandbox-kakaclo-token'
const LARGEST_PAGE = 250

/** An order's main shape is version 2, its other shape version 1. */
export type KakacloDesk = Desk<SharedSwitches> & {
  /** The answer of the refund query: `{ refundNo, refundStatus, id, remark }`. */
  putRefund(orderId: string, refund: Record<string, unknown>): void
}

const failed = (c: Context<SandboxEnv>, code: number, message: string, status = 200): Response =>
  json(c, { code, message, data: null }, status)

export function createKakaclo(clock: Clock): { desk: KakacloDesk; app: Hono<SandboxEnv> } {
  const refunds = new Map<string, Record<string, unknown>>()
  const desk = createDesk<SharedSwitches>(
    {
      vendor: 'kakaclo',
      switches: { limits: { perSecond: 2, burst: 120 }, clockOffsetMs: 0, sort: 'newest' },
      keysOf: row => ({
        id: String(row.id),
        updatedAt: timeOf(row.updateDate ?? row.modifyDate),
        createdAt: timeOf(row.createDate),
        placedAt: null,
        words: { status: wordOf(row.status) },
        owner: null,
      }),
      touch: now => ({ updateDate: seconds(now) }),
      tooMany: (c, waitMs) => {
        c.header('retry-after', String(Math.ceil(waitMs / 1000)))
        return failed(c, 429, 'too many requests', 429)
      },
    },
    clock,
  )

  const app = desk.serve(c =>
    c.req.header('authorization') === `Bearer ${KAKACLO_TOKEN}` ? null : failed(c, 401, 'token is invalid', 401),
  )

  const select = (c: Context<SandboxEnv>, version: string): readonly Shelved[] => {
    const time = (name: string): number | null => timeOf(param(c, name))
    const from = time('updateStartTime') ?? 0
    const to = time('updateEndTime')
    let found = desk.shelf.window(toSecond(from), to === null ? Infinity : toSecond(to) + 999)
    const [createdFrom, createdTo] = [time('createStartTime'), time('createEndTime')]
    if (createdFrom !== null) found = found.filter(entry => (entry.createdAt ?? 0) >= createdFrom)
    if (createdTo !== null) found = found.filter(entry => (entry.createdAt ?? 0) <= createdTo)
    const ids = param(c, 'ids')?.split(',')
    if (ids !== undefined) found = found.filter(entry => ids.includes(entry.id))
    const statuses = version === 'v1' ? param(c, 'status')?.split(',') : undefined
    if (statuses !== undefined) found = found.filter(entry => statuses.includes(entry.words.status ?? ''))
    return desk.switches.sort === 'newest' ? found.toReversed() : found
  }

  app.get('/:version{v1|v2}/order/orders', c => {
    const version = c.req.param('version')
    const pageNumber = count(c, 'pageNumber', 1)
    const pageSize = Math.min(count(c, 'pageSize', 10), LARGEST_PAGE)
    const found = select(c, version)
    const page = found.slice((pageNumber - 1) * pageSize, pageNumber * pageSize)
    const list = page.map(entry => (version === 'v2' ? entry.json : entry.otherJson)).join(',')
    const paging = `"total":${found.length},"pageNumber":${pageNumber},"pageSize":${pageSize}`
    return text(c, `{"code":10000,"message":"success","data":{"vo":null,${paging},"list":[${list}]}}`)
  })

  app.get('/:version{v1|v2}/order/orders/refund/:id', c => {
    const refund = refunds.get(c.req.param('id'))
    return refund === undefined
      ? failed(c, 10004, 'refund not found')
      : json(c, { code: 10000, message: 'ok', data: refund })
  })

  app.all('*', c => failed(c, 404, 'not found', 404))

  return {
    desk: {
      ...desk,
      putRefund: (orderId, refund) => refunds.set(orderId, refund),
      clear() {
        desk.clear()
        refunds.clear()
      },
    },
    app,
  }
}
