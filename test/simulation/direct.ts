import type { Connection } from '../../schemas/config.ts'
import type { OrderSnapshot } from '../../schemas/order.ts'
import type { Connected } from '../../src/ingest/ingest.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { Random } from '../../src/sandbox/random.ts'
import type { FeedPage, OrderSource, Page, ReadOptions, Reject, Window } from '../../src/sources/source.ts'
import { second, show, type TrueOrder, withRecords } from './orders.ts'
import { call, type PortDeps } from './port.ts'
import { EPOCH } from './session.ts'
import type { Listed, Shop } from './shop.ts'
import type { Trace } from './trace.ts'

/** A shop behind the port of a source: what it shows comes as snapshots, without a vendor's words and without HTTP. */
export function createDirect(deps: {
  shop: Shop
  config: Connection
  random: Random
  trace: Trace
  pageSize: number
}): (port: PortDeps) => Connected {
  const { shop, random, trace, pageSize } = deps
  const { id, kind, habits, manners, now } = shop

  function pageOf(list: readonly TrueOrder[]): { orders: OrderSnapshot[]; rejects: Reject[] } {
    const moment = now()
    const snapshots: OrderSnapshot[] = []
    const rejects: Reject[] = []
    for (const order of list) {
      const truth = shop.orders.get(order.id)
      if (truth && truth.unreadableUntil > moment)
        rejects.push({ orderId: order.id, path: 'row', value: '"?"', reason: 'an order was expected' })
      else snapshots.push(show({ ...order, doubtUntil: truth?.doubtUntil ?? 0 }, habits, moment))
    }
    return { orders: snapshots, rejects }
  }

  const problem = (code: string, intent: 'retry' | 'stop' | 'narrow', retryAfterMs?: number) =>
    new AppError(`${id}: ${code}`, { code, intent, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })

  function refuseSometimes(): void {
    if (manners.down) throw problem('vendor.unavailable', 'retry')
    if (random.chance(manners.limited)) throw problem('vendor.rate_limited', 'retry', random.between(1, 30) * 1000)
    if (random.chance(manners.refused)) throw problem('vendor.unauthorized', 'stop')
  }

  function readPage(by: 'updated' | 'created', window: Window, page: string | null): FeedPage {
    refuseSometimes()
    const inside = shop.listed().filter(({ updatedAt, order }) => {
      const at = by === 'updated' ? updatedAt : order.placedAt
      return at >= window.from && at <= window.to
    })
    if (inside.length > pageSize && random.chance(manners.tooLarge)) throw problem('vendor.too_large', 'narrow')
    if (inside.some(({ order }) => shop.isCursed(order.id))) throw problem('vendor.not_json', 'retry')
    return spoiled(kind === 'cursor' ? byCursor(inside, page) : byNumber(inside, page), window, page)
  }

  function byNumber(inside: readonly Listed[], page: string | null): FeedPage {
    const number = page === null ? 1 : Number(page)
    const chosen = inside.slice((number - 1) * pageSize, number * pageSize).map(({ order }) => order)
    const next = number * pageSize < inside.length ? String(number + 1) : null
    return { ...pageOf(chosen), next, total: inside.length + shop.phantoms, pageSize }
  }

  function byCursor(inside: readonly Listed[], page: string | null): FeedPage {
    const { rows, next } = cursorPage(shop, inside, page, pageSize)
    return { ...pageOf(rows), next, total: null, pageSize }
  }

  function spoiled(page: FeedPage, window: Window, asked: string | null): FeedPage {
    if (!random.chance(manners.wrongPage)) return page
    const wrong = random.pick(['twice', 'short', 'empty', 'count', 'repeat', 'stray'] as const)
    trace.note(`${id} answers a wrong page: ${wrong}`)
    const [first] = page.orders
    const counts = page.total !== null
    if (wrong === 'twice') return { ...page, orders: [...page.orders, ...page.orders.slice(0, 1)] }
    if (wrong === 'short' && counts && page.orders.length > 0) return { ...page, orders: page.orders.slice(1) }
    if (wrong === 'empty' && counts && page.total !== 0) return { ...page, orders: [], rejects: [], next: null }
    if (wrong === 'count' && page.total !== null)
      return { ...page, total: Math.max(0, page.total + random.between(-2, 3)) }
    if (wrong === 'repeat' && page.next !== null && asked !== null) return { ...page, next: asked }
    if (wrong === 'stray' && first) {
      const old = shop.listed().find(({ updatedAt }) => updatedAt < window.from - 5_000)
      return old ? { ...page, orders: [show(old.order, habits, now()), ...page.orders] } : page
    }
    return page
  }

  function fetch(ids: readonly string[]): Page {
    refuseSometimes()
    const page = pageOf(ids.flatMap(one => shop.order(one) ?? []))
    return { ...page, orders: complete(page.orders) }
  }

  function complete(snapshots: readonly OrderSnapshot[]): OrderSnapshot[] {
    return snapshots.map(snapshot => {
      const blind = random.chance(manners.blind)
      return withRecords(snapshot, shop.orders.get(snapshot.orderId), blind ? null : now())
    })
  }

  function readUserPage(userId: string, page: string | null): FeedPage {
    refuseSometimes()
    return byNumber(shop.ofUser(userId), page)
  }

  return port => {
    const { life } = port
    let offset: number | null = null
    const ask = <T>(name: string, args: readonly unknown[], { signal }: { signal: AbortSignal }, answer: () => T) =>
      abortable(
        signal,
        call(port, name, args, async () => ({ answer: answer(), sent: second(shop.date()) })).then(reply => {
          const seen = reply.sent - life.clock.now()
          offset = offset !== null && Math.abs(seen - offset) <= 1000 ? Math.max(seen, offset) : seen
          return reply.answer
        }),
      )
    const source: OrderSource = {
      feed:
        kind === 'follow'
          ? {
              kind: 'follow',
              readUserPage: (user, page, given) =>
                ask('readUserPage', [user, page], given, () => readUserPage(user, page)),
            }
          : {
              kind: 'window',
              precisionMs: 1_000,
              readPage: (window, page, given) =>
                ask('readPage', [window.from - EPOCH, window.to - EPOCH, page], given, () =>
                  readPage('updated', window, page),
                ),
              readCreated: (window, page, given) =>
                ask('readCreated', [window.from - EPOCH, window.to - EPOCH, page], given, () =>
                  readPage('created', window, page),
                ),
            },
      fetch: (refs, given) => {
        const ids = refs.map(({ orderId }) => orderId)
        return ask('fetch', ids, given, () => fetch(ids))
      },
      ...(habits.refunds === 'records' && {
        // What cannot be read now stays as it is.
        complete: (snapshots: readonly OrderSnapshot[], given: ReadOptions) =>
          ask('complete', [snapshots.length], given, () => complete(snapshots)).catch(error => {
            if (given.signal.aborted) throw error
            return snapshots
          }),
      }),
      check: given => ask('check', [], given, () => 'simulated'),
    }
    return {
      config: deps.config,
      source,
      vendorNow: async signal => {
        if (offset === null) await source.check({ signal, priority: 'live' })
        return life.clock.now() + (offset ?? 0)
      },
    }
  }
}

/** The rows behind a cursor: `update time~order id` of the last row before, in the shop's own order. */
export function cursorPage(
  { sorting }: Shop,
  inside: readonly Listed[],
  cursor: string | null,
  size: number,
): { rows: TrueOrder[]; next: string | null } {
  const [value = '', last = ''] = cursor === null ? [] : cursor.split('~')
  const behind = inside.filter(({ order, updatedAt }) => {
    if (cursor === null) return true
    if (sorting === 'id') return order.id > last
    if (updatedAt === Number(value)) return order.id > last
    return sorting === 'updated' ? updatedAt > Number(value) : updatedAt < Number(value)
  })
  const chosen = behind.slice(0, size)
  const end = chosen.at(-1)
  return {
    rows: chosen.map(({ order }) => order),
    next: end && behind.length > size ? `${end.updatedAt}~${end.order.id}` : null,
  }
}

function abortable<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = () => new AppError('the request was aborted', { code: 'vendor.aborted', intent: 'retry' })
  work.catch(() => {})
  if (signal.aborted) return Promise.reject(aborted())
  return new Promise((resolve, reject) => {
    const stop = () => reject(aborted())
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
