import type { OrderSnapshot } from '../../schemas/order.ts'
import type { FeedPage, Reject, Window, WindowFeed } from '../../src/sources/source.ts'
import { snapshot } from './snapshots.ts'

export interface FeedScript {
  /** What the vendor holds; the test may change it at any time. */
  rows: OrderSnapshot[]
  rejects?: Reject[]
  pageSize?: number
  /** Whether the vendor says how many rows there are. */
  counts?: boolean
  /** Called before each page is made; may change rows, throw, or return another page. */
  before?: (request: { window: Window; page: number }) => FeedPage | undefined
  /** The vendor can also list by creation time, which is `placedAt` here. */
  listsCreated?: boolean
}

/** A vendor with pages by number over rows in their order, as Kakaclo has them. */
export function scriptedFeed(script: FeedScript) {
  const requests: { window: Window; page: number }[] = []
  const created: Window[] = []
  const readBy =
    (time: 'updatedAt' | 'placedAt'): WindowFeed['readPage'] =>
    async (window, at) => {
      const { pageSize = 2, counts = true } = script
      const page = at === null ? 1 : Number(at)
      if (time === 'placedAt') created.push(window)
      else requests.push({ window, page })
      const scripted = script.before?.({ window, page })
      if (scripted) return scripted
      const inside = script.rows.filter(row => {
        const moment = Date.parse(row[time] ?? '')
        return moment >= window.from && moment <= window.to
      })
      const orders = inside.slice((page - 1) * pageSize, page * pageSize)
      const rejects = page === 1 ? (script.rejects ?? []) : []
      const more = page * pageSize < inside.length
      return {
        orders,
        rejects,
        next: more ? String(page + 1) : null,
        total: counts ? inside.length + (script.rejects?.length ?? 0) : null,
        pageSize,
      }
    }
  const feed: WindowFeed = {
    kind: 'window',
    precisionMs: 1_000,
    readPage: readBy('updatedAt'),
    ...(script.listsCreated && { readCreated: readBy('placedAt') }),
  }
  return { feed, requests, created }
}

/** Orders `o-1` … `o-n`, updated at the given second(s) of a minute in 2026. */
export function ordersUpdatedAt(seconds: readonly number[]): OrderSnapshot[] {
  return seconds.map((second, index) => snapshot({ orderId: `o-${index + 1}`, updatedAt: at(second) }))
}

export const MINUTE_START = Date.parse('2026-03-05T12:00:00.000Z')
export const at = (second: number): string => new Date(MINUTE_START + second * 1000).toISOString()
