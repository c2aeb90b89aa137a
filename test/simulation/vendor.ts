import { Connection } from '../../schemas/config.ts'
import type { OrderSnapshot } from '../../schemas/order.ts'
import { AppError } from '../../src/errors.ts'
import type { Connected } from '../../src/ingest/ingest.ts'
import type { Random } from '../../src/sandbox/random.ts'
import type { FeedPage, OrderSource, Page, ReadOptions, Reject, Window } from '../../src/sources/source.ts'
import { EPOCH } from './life.ts'
import { advance, createOrder, type Habits, second, show, type TrueOrder, withRecords } from './orders.ts'
import { call, type PortDeps, type Weather } from './port.ts'
import type { Time } from './time.ts'
import type { Trace } from './trace.ts'

export type VendorKind = 'pages' | 'cursor' | 'follow'

const HABITS: Record<VendorKind, Habits> = {
  pages: { packageIds: true, arrivalOf: 'packages', refunds: 'totals', updateTimes: true },
  cursor: { packageIds: true, arrivalOf: 'packages', refunds: 'records', updateTimes: true },
  follow: { packageIds: false, arrivalOf: 'order', refunds: 'none', updateTimes: false },
}

/** The index behind the list is never later than this. */
const WORST_LAG = 85_000

/** What the vendor does wrong, as shares of its answers. */
export interface Manners extends Weather {
  limited: number
  refused: number
  tooLarge: number
  wrongPage: number
  late: number
  blind: number
}

export interface Vendor {
  readonly id: string
  readonly kind: VendorKind
  readonly habits: Habits
  readonly orders: ReadonlyMap<string, TrueOrder>
  readonly users: readonly string[]
  readonly manners: Manners
  /** Something happens to some order, or a new one is made. */
  live(): void
  /** Many orders change in one second. */
  burst(): void
  /** From now on every row can be read and understood; nobody is told. */
  clear(): void
  /** The vendor's present. */
  now(): number
  connect(port: PortDeps): Connected
  /** The latest time at which any row still changes how it shows. */
  readonly restlessUntil: number
}

interface Version {
  readonly at: number
  readonly visibleAt: number
  readonly order: TrueOrder
}

export function createVendor(deps: {
  id: string
  kind: VendorKind
  time: Time
  random: Random
  trace: Trace
  manners: Manners
  pageSize: number
  mostOrders: number
}): Vendor {
  const { id, kind, time, random, trace, manners, pageSize } = deps
  const habits = HABITS[kind]
  const skew = random.between(-240, 240) * 1000
  const users = kind === 'follow' ? ['u1', 'u2', 'u3'] : []
  const orders = new Map<string, TrueOrder>()
  const retired = new Set<TrueOrder>()
  const versions = new Map<string, Version[]>()
  const sorting = random.pick(['updated', 'newest', 'id'] as const)
  let restlessUntil = 0

  const now = () => EPOCH + time.now + skew

  function publish(order: TrueOrder): void {
    const at = now()
    const lag = random.chance(manners.late) ? random.between(0, WORST_LAG) : random.between(0, 500)
    if (random.chance(0.03)) order.unreadableUntil = at + random.between(5_000, 600_000)
    if (random.chance(0.03)) order.doubtUntil = at + random.between(5_000, 600_000)
    const known = versions.get(order.id) ?? []
    known.push({ at, visibleAt: at + lag, order: structuredClone(order) })
    versions.set(order.id, known)
    restlessUntil = Math.max(restlessUntil, at + lag)
    trace.note(`${id} ${order.id} changed`)
  }

  function place(): TrueOrder {
    const order = createOrder(`${id}${orders.size + 1}`, now(), random)
    orders.set(order.id, order)
    return order
  }

  function live(): void {
    const existing = [...orders.values()].filter(order => !retired.has(order))
    const order =
      orders.size < 3 * deps.mostOrders && (existing.length === 0 || random.chance(0.3))
        ? place()
        : existing[random.between(0, existing.length - 1)]
    if (!order) return
    advance(order, random, habits, now())
    publish(order)
    // What is missed of an order that never changes again stays missed.
    if (random.chance(0.12)) retired.add(order)
  }

  /** Each order as the index shows it now: its latest version that has come through; sometimes a little behind. */
  function rows(behind = 0): { order: TrueOrder; updatedAt: number }[] {
    const moment = now() - behind
    const shown: { order: TrueOrder; updatedAt: number }[] = []
    for (const known of versions.values()) {
      const latest = known.findLast(({ visibleAt }) => visibleAt <= moment)
      if (latest) shown.push({ order: latest.order, updatedAt: second(latest.order.updatedAt) })
    }
    const by = {
      id: (a: TrueOrder, b: TrueOrder) => (a.id < b.id ? -1 : 1),
      updated: (a: TrueOrder, b: TrueOrder) => second(a.updatedAt) - second(b.updatedAt) || (a.id < b.id ? -1 : 1),
      newest: (a: TrueOrder, b: TrueOrder) => second(b.updatedAt) - second(a.updatedAt) || (a.id < b.id ? -1 : 1),
    }[sorting]
    return shown.sort((a, b) => by(a.order, b.order))
  }

  function pageOf(list: readonly TrueOrder[]): { orders: OrderSnapshot[]; rejects: Reject[] } {
    const moment = now()
    const snapshots: OrderSnapshot[] = []
    const rejects: Reject[] = []
    for (const order of list) {
      const truth = orders.get(order.id)
      if (truth && truth.unreadableUntil > moment)
        rejects.push({ orderId: order.id, path: 'row', value: '"?"', reason: 'an order was expected' })
      else snapshots.push(show({ ...order, doubtUntil: truth?.doubtUntil ?? 0 }, habits, moment))
    }
    return { orders: snapshots, rejects }
  }

  const problem = (code: string, intent: 'retry' | 'stop' | 'narrow', retryAfterMs?: number) =>
    new AppError(`${id}: ${code}`, { code, intent, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })

  function refuseSometimes(): void {
    if (random.chance(manners.limited)) throw problem('vendor.rate_limited', 'retry', random.between(1, 30) * 1000)
    if (random.chance(manners.refused)) throw problem('vendor.unauthorized', 'stop')
  }

  function readPage(window: Window, page: string | null): FeedPage {
    refuseSometimes()
    const behind = random.chance(manners.late) ? random.between(0, 20_000) : 0
    const inside = rows(behind).filter(({ updatedAt }) => updatedAt >= window.from && updatedAt <= window.to)
    if (inside.length > pageSize && random.chance(manners.tooLarge)) throw problem('vendor.too_large', 'narrow')
    return spoiled(kind === 'cursor' ? byCursor(inside, page) : byNumber(inside, page), window)
  }

  function byNumber(inside: readonly { order: TrueOrder }[], page: string | null): FeedPage {
    const number = page === null ? 1 : Number(page)
    const chosen = inside.slice((number - 1) * pageSize, number * pageSize).map(({ order }) => order)
    const next = number * pageSize < inside.length ? String(number + 1) : null
    return { ...pageOf(chosen), next, total: inside.length, pageSize }
  }

  function byCursor(inside: readonly { order: TrueOrder; updatedAt: number }[], page: string | null): FeedPage {
    const [value = '', last = ''] = page === null ? [] : page.split('~')
    const behind = inside.filter(({ order, updatedAt }) => {
      if (page === null) return true
      if (sorting === 'id') return order.id > last
      if (updatedAt === Number(value)) return order.id > last
      return sorting === 'updated' ? updatedAt > Number(value) : updatedAt < Number(value)
    })
    const chosen = behind.slice(0, pageSize)
    const end = chosen.at(-1)
    const next = end && behind.length > pageSize ? `${end.updatedAt}~${end.order.id}` : null
    return { ...pageOf(chosen.map(({ order }) => order)), next, total: null, pageSize }
  }

  function spoiled(page: FeedPage, window: Window): FeedPage {
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
    if (wrong === 'repeat' && page.next !== null) return { ...page, next: kind === 'cursor' ? '0~' : '1' }
    if (wrong === 'stray' && first) {
      const old = rows().find(({ updatedAt }) => updatedAt < window.from - 5_000)
      return old ? { ...page, orders: [show(old.order, habits, now()), ...page.orders] } : page
    }
    return page
  }

  /** What is asked of the orders themselves is never late. */
  function fetch(ids: readonly string[]): Page {
    refuseSometimes()
    const found = ids.flatMap(one => orders.get(one) ?? []).filter(order => versions.has(order.id))
    const page = pageOf(found)
    return { ...page, orders: complete(page.orders) }
  }

  function complete(snapshots: readonly OrderSnapshot[]): OrderSnapshot[] {
    return snapshots.map(snapshot => {
      const blind = random.chance(manners.blind)
      return withRecords(snapshot, orders.get(snapshot.orderId), blind ? null : now())
    })
  }

  function readUserPage(userId: string, page: string | null): FeedPage {
    refuseSometimes()
    const mine = rows().filter(({ order }) => users[Number(order.id.slice(id.length)) % users.length] === userId)
    return byNumber(mine, page)
  }

  function connect(port: PortDeps): Connected {
    const { life } = port
    let offset: number | null = null
    const vendorPort = { ...port, name: id, weather: manners, remote: true, code: 'vendor' }
    const ask = <T>(name: string, args: readonly unknown[], { signal }: { signal: AbortSignal }, answer: () => T) =>
      abortable(
        signal,
        call(vendorPort, name, args, async () => ({ answer: answer(), sent: second(now()) })).then(reply => {
          const seen = reply.sent - life.clock.now()
          offset = offset !== null && Math.abs(seen - offset) <= 1000 ? Math.max(seen, offset) : seen
          return reply.answer
        }),
      )
    const options = (given: ReadOptions) => given
    const source: OrderSource = {
      vendor: kind === 'pages' ? 'kakaclo' : kind === 'cursor' ? 'shoplazza' : 'tuya',
      feed:
        kind === 'follow'
          ? {
              kind: 'follow',
              readUserPage: (user, page, given) =>
                ask('readUserPage', [user, page], options(given), () => readUserPage(user, page)),
            }
          : {
              kind: 'window',
              precisionMs: 1_000,
              readPage: (window, page, given) =>
                ask('readPage', [window.from - EPOCH, window.to - EPOCH, page], given, () => readPage(window, page)),
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
      config: configOf(),
      source,
      vendorNow: async signal => {
        if (offset === null) await source.check({ signal, priority: 'live' })
        return life.clock.now() + (offset ?? 0)
      },
    }
  }

  function configOf(): Connection {
    const shared = { id, baseUrl: 'https://vendor.example', pollEvery: '5s', overlap: '2m', backfill: '40m' }
    if (kind === 'pages') return Connection.parse({ ...shared, vendor: 'kakaclo', token: 't' })
    if (kind === 'cursor') {
      const baseUrl = 'https://vendor.example/openapi/2022-01'
      return Connection.parse({ ...shared, vendor: 'shoplazza', baseUrl, accessToken: 't' })
    }
    const keys = { clientId: 'c', clientSecret: 's', mallCode: 'm', shopCode: 's' }
    return Connection.parse({ ...shared, vendor: 'tuya', ...keys })
  }

  return {
    id,
    kind,
    habits,
    orders,
    users,
    manners,
    live,
    now,
    connect,
    burst() {
      for (const order of orders.values()) {
        if (retired.has(order)) continue
        advance(order, random, habits, now())
        publish(order)
      }
    },
    clear() {
      for (const order of orders.values()) {
        order.unreadableUntil = 0
        order.doubtUntil = 0
      }
    },
    get restlessUntil() {
      return restlessUntil - EPOCH - skew
    },
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
