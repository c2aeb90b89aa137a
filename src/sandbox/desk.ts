import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Clock } from '../lib/clock.ts'
import { type BucketLimit, createTokenBucket, type TokenBucket } from '../lib/token-bucket.ts'
import { createFaults, type Fault, type Faults, merge } from './faults.ts'
import { createShelf, type Entry, type Shelf } from './shelf.ts'

export type Row = Record<string, unknown>
export type SandboxEnv = { Bindings: HttpBindings }

/** The switches of every simulated vendor; each vendor adds its own. */
export interface SharedSwitches {
  /** null: no limit. */
  limits: BucketLimit | null
  /** How far the vendor's clock is ahead of ours. */
  clockOffsetMs: number
  /** By update time; no vendor promises an order, so a client must cope with both. */
  sort: 'newest' | 'oldest'
}

interface Seen {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly method: string
  /** With the query. */
  readonly url: string
  readonly status: number
}

/** What differs between the simulated vendors; the rest is shared. */
export interface Trade<S extends SharedSwitches> {
  readonly vendor: string
  readonly switches: S
  /** What lists filter by, read from a row in the vendor's own shape. `updatedAt` null: unreadable, then it counts as changed now. */
  readonly keysOf: (row: Row) => Omit<Entry, 'json' | 'otherJson' | 'updatedAt'> & { updatedAt: number | null }
  /** What a change through `patch` sets, unless the change names it. */
  readonly touch: (now: number) => Row
  /** The answer to a request over the limit. */
  readonly tooMany: (c: Context<SandboxEnv>, waitMs: number) => Response
}

interface PutOptions {
  /** The same order as the vendor's other API version shows it; absent: the same. */
  readonly other?: Row | string
  /** Its place in the lists, whatever its own update time is. Milliseconds. */
  readonly updatedAt?: number
  /** The buyer whose list shows it. */
  readonly owner?: string
}

/** One simulated vendor: its orders, faults, rate limit and received requests. */
export interface Desk<S extends SharedSwitches = SharedSwitches> {
  readonly vendor: string
  readonly shelf: Shelf
  readonly faults: Faults
  /** The vendor's own clock, milliseconds. */
  now(): number
  readonly switches: S
  turn(changes: Partial<S>): void
  /** Stores an order in the vendor's shape. A string is kept unchanged, so a number keeps all of its digits. */
  put(id: string, row: Row | string, options?: PutOptions): void
  /** Changes some members; the update time becomes now unless the change sets it. False: no such order. */
  patch(id: string, changes: Row): boolean
  remove(id: string): boolean
  clear(): void
  fault(fault: Fault): void
  /** Requests by route, `METHOD /path` with ids as `{id}`. */
  counts(): Record<string, number>
  /** The last requests, oldest first, 1000 at most. */
  requests(): readonly Seen[]
  forgetRequests(): void
  /** An application behind counters, faults and the rate limit. `authorise` returns null to accept a request. */
  serve(authorise: (c: Context<SandboxEnv>) => Response | null): Hono<SandboxEnv>
}

const SEEN_AT_MOST = 1000

/** Ids in paths would make the counters grow without bound. */
const routeOf = (path: string): string =>
  path
    .replace(/\/orders\/(?!refund_records\b|refund\b)[^/]+/, '/orders/{id}')
    .replace(/\/refund\/[^/]+/, '/refund/{id}')
    .replace(/\/plugin\/order\/(?!search\b)[^/]+/, '/plugin/order/{id}')
    .replace(/\/token\/[^/]+/, '/token/{id}')

export const json = (c: Context<SandboxEnv>, body: unknown, status = 200): Response =>
  text(c, JSON.stringify(body), status)

/** Answers JSON that is already text: rows keep their letters. */
export const text = (c: Context<SandboxEnv>, body: string, status = 200): Response =>
  c.body(body, status as ContentfulStatusCode, { 'content-type': 'application/json; charset=utf-8' })

export function createDesk<S extends SharedSwitches>(trade: Trade<S>, clock: Clock): Desk<S> {
  const shelf = createShelf()
  const faults = createFaults()
  const counts = new Map<string, number>()
  let seen: Seen[] = []
  const switches = { ...trade.switches }
  const bucketOf = (): TokenBucket | null => switches.limits && createTokenBucket(switches.limits, { clock })
  let bucket = bucketOf()
  const now = (): number => clock.now() + switches.clockOffsetMs

  const record = (c: Context<SandboxEnv>, status: number): void => {
    const { pathname, search } = new URL(c.req.url)
    const route = `${c.req.method} ${routeOf(pathname)}`
    counts.set(route, (counts.get(route) ?? 0) + 1)
    seen.push({ at: clock.now(), method: c.req.method, url: pathname + search, status })
    if (seen.length > SEEN_AT_MOST * 2) seen = seen.slice(-SEEN_AT_MOST)
  }

  const cutOff = (c: Context<SandboxEnv>, status: number, body: string, keep: number): Response => {
    const { outgoing } = c.env
    const bytes = Buffer.from(body)
    outgoing.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length })
    outgoing.write(bytes.subarray(0, keep), () => outgoing.destroy())
    return RESPONSE_ALREADY_SENT
  }

  const inFront: MiddlewareHandler<SandboxEnv> = async (c, next) => {
    c.header('date', new Date(now()).toUTCString())
    const { pathname, search } = new URL(c.req.url)
    const fault = faults.meet(`${c.req.method} ${pathname}${search}`)
    fault?.run?.()
    if (fault?.delayMs !== undefined) await clock.sleep(fault.delayMs)
    if (fault?.reset) {
      record(c, 0)
      c.env.outgoing.destroy()
      return RESPONSE_ALREADY_SENT
    }
    const scripted = fault?.status !== undefined || fault?.body !== undefined
    if (fault !== null && scripted) {
      const body = typeof fault.body === 'string' ? fault.body : JSON.stringify(fault.body ?? {})
      c.res = text(c, body, fault.status ?? 200)
      for (const [name, value] of Object.entries(fault.headers ?? {})) c.res.headers.set(name, value)
    } else await next()
    record(c, c.res.status)
    if (fault?.merge !== undefined)
      c.res = text(c, JSON.stringify(merge(await c.res.json(), fault.merge)), c.res.status)
    if (fault?.truncate !== undefined) c.res = cutOff(c, c.res.status, await c.res.text(), fault.truncate)
    return undefined
  }

  const put = (id: string, row: Row | string, options: PutOptions = {}): void => {
    const body = typeof row === 'string' ? row : JSON.stringify(row)
    const keys = trade.keysOf(typeof row === 'string' ? (JSON.parse(row) as Row) : row)
    const other = options.other ?? body
    shelf.put({
      ...keys,
      id,
      json: body,
      otherJson: typeof other === 'string' ? other : JSON.stringify(other),
      updatedAt: options.updatedAt ?? keys.updatedAt ?? now(),
      owner: options.owner ?? keys.owner,
    })
  }

  return {
    vendor: trade.vendor,
    shelf,
    faults,
    now,
    switches,
    turn(changes) {
      Object.assign(switches, changes)
      if ('limits' in changes) bucket = bucketOf()
    },
    put,
    patch(id, changes) {
      const entry = shelf.get(id)
      if (entry === undefined) return false
      const touched = { ...trade.touch(now()), ...changes }
      const other = entry.otherJson === entry.json ? undefined : { ...JSON.parse(entry.otherJson), ...touched }
      const owner = entry.owner === null ? {} : { owner: entry.owner }
      put(id, { ...JSON.parse(entry.json), ...touched }, { ...owner, ...(other && { other }) })
      return true
    },
    remove: id => shelf.remove(id),
    clear: () => shelf.clear(),
    fault: fault => faults.add(fault),
    counts: () => Object.fromEntries(counts),
    requests: () => seen.slice(-SEEN_AT_MOST),
    forgetRequests() {
      counts.clear()
      seen = []
    },
    serve(authorise) {
      const app = new Hono<SandboxEnv>()
      app.use(inFront)
      app.use(async (c, next) => {
        const refused = authorise(c)
        if (refused !== null) return refused
        const waitMs = bucket?.wait() ?? 0
        if (waitMs > 0) return trade.tooMany(c, waitMs)
        bucket?.take()
        await next()
        return undefined
      })
      return app
    },
  }
}

/** `?a=1&a=2` → the first value, null when absent or empty. */
export const param = (c: Context<SandboxEnv>, name: string): string | null => c.req.query(name) || null

/** A positive integer, or the default where it is absent or none. */
export function count(c: Context<SandboxEnv>, name: string, otherwise: number): number {
  const value = Number(param(c, name) ?? otherwise)
  return Number.isInteger(value) && value > 0 ? value : otherwise
}

/** Milliseconds of a vendor's time; zone-less is UTC; null: none or unreadable. */
export function timeOf(value: unknown): number | null {
  if (typeof value !== 'string' || value === '') return null
  const zoned = /([zZ]|[+-]\d\d:?\d\d)$/.test(value) ? value : `${value.replace(' ', 'T')}Z`
  const time = Date.parse(zoned)
  return Number.isNaN(time) ? null : time
}

/** Whole seconds, as the vendors' filters see it. */
export const toSecond = (ms: number): number => Math.floor(ms / 1000) * 1000

/** `2026-03-02T10:15:30Z`: how the vendors write a time. */
export const seconds = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

export const wordOf = (value: unknown): string => (typeof value === 'string' ? value : '')
