import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
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
  text,
  timeOf,
  wordOf,
} from './desk.ts'

/** Simulated Tuya mall: token, order search of a buyer, order detail, all signed (vendors.md, Tuya mall). */

export const TUYA_CLIENT_ID = 'sandbox-tuya-id'
export const TUYA_CLIENT_SECRET = 'sandbox-tuya-secret'
export const TUYA_MALL = 'sandbox-mall'
export const TUYA_SHOP = 'sandbox-shop'
/** The owner of an order that was stored without one. */
const SOMEBODY = 'buyer-1'

const CLOCK_TOLERANCE_MS = 5 * 60_000
const LARGEST_PAGE = 100
/** Where the simulator is mounted; a client may sign the path with or without it. */
const BASE_PATH = '/tuya'

interface TuyaSwitches extends SharedSwitches {
  tokenTtlMs: number
  /** How an unknown order is answered: with an error, or with a result of null. */
  missing: 'error' | 'null'
  /** Answers the detail without its envelope, as the published sample shows it. */
  bare: boolean
}

export type TuyaDesk = Desk<TuyaSwitches> & {
  /** Makes the token in use expire now. */
  expireToken(): void
  /** Makes the token in use unknown, as a second refresher would. */
  replaceToken(): void
}

interface SignedRequest {
  readonly clientId: string
  readonly secret: string
  readonly method: string
  /** Path and query, sorted by name. */
  readonly url: string
  readonly body: string
  readonly t: string
  readonly nonce: string
  /** Absent on token calls. */
  readonly accessToken?: string
  /** The headers named in `Signature-Headers`, in that order. */
  readonly headers?: readonly (readonly [string, string])[]
}

/** The signature a request must carry, after the vendor's description of it. */
export function tuyaSignature(request: SignedRequest): string {
  const digest = createHash('sha256').update(request.body).digest('hex')
  const headers = (request.headers ?? []).map(([name, value]) => `${name}:${value}\n`).join('')
  const stringToSign = [request.method, digest, headers, request.url].join('\n')
  return createHmac('sha256', request.secret)
    .update(request.clientId + (request.accessToken ?? '') + request.t + request.nonce + stringToSign)
    .digest('hex')
    .toUpperCase()
}

const sameText = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

function sortedQuery(url: URL): string {
  const pairs = [...url.searchParams].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return pairs.length === 0 ? '' : `?${pairs.map(([name, value]) => `${name}=${value}`).join('&')}`
}

export function createTuya(clock: Clock): { desk: TuyaDesk; app: Hono<SandboxEnv> } {
  const desk = createDesk<TuyaSwitches>(
    {
      vendor: 'tuya',
      switches: {
        limits: { perSecond: 50, burst: 50 },
        clockOffsetMs: 0,
        sort: 'newest',
        tokenTtlMs: 7_200_000,
        missing: 'error',
        bare: false,
      },
      keysOf: row => ({
        id: String(row.order_id),
        updatedAt: null,
        createdAt: timeOf(row.created_time),
        placedAt: null,
        words: { pay_status: wordOf(row.pay_status) },
        owner: SOMEBODY,
      }),
      touch: () => ({}),
      tooMany: (c, waitMs) => {
        c.header('retry-after', String(Math.ceil(waitMs / 1000)))
        return failed(c, 1110, 'too many requests', 429)
      },
    },
    clock,
  )

  let issued = 0
  let token: { access: string; refresh: string; expiresAt: number } | null = null
  /** When each nonce was used, so that a request sent twice is refused. */
  const nonces = new Map<string, number>()

  const envelope = () => ({ t: desk.now(), tid: `tid-${desk.now().toString(36)}` })
  function failed(c: Context<SandboxEnv>, code: number, msg: string, status = 200): Response {
    return json(c, { code, msg, success: false, ...envelope() }, status)
  }
  const succeeded = (c: Context<SandboxEnv>, result: string): Response => {
    const { t, tid } = envelope()
    return text(c, `{"result":${result},"success":true,"t":${t},"tid":"${tid}"}`)
  }

  const issue = (c: Context<SandboxEnv>): Response => {
    issued += 1
    const stamp = `${desk.now().toString(36)}-${issued}`
    token = { access: `access-${stamp}`, refresh: `refresh-${stamp}`, expiresAt: desk.now() + desk.switches.tokenTtlMs }
    const expireTime = Math.floor(desk.switches.tokenTtlMs / 1000)
    const result = { access_token: token.access, refresh_token: token.refresh, expire_time: expireTime, uid: 'sandbox' }
    return succeeded(c, JSON.stringify(result))
  }

  const replayed = (nonce: string): boolean => {
    const now = desk.now()
    for (const [old, at] of nonces) {
      if (at > now - 2 * CLOCK_TOLERANCE_MS) break
      nonces.delete(old)
    }
    if (nonces.has(nonce)) return true
    nonces.set(nonce, now)
    return false
  }

  const authorise = (c: Context<SandboxEnv>): Response | null => {
    const header = (name: string): string => c.req.header(name) ?? ''
    const url = new URL(c.req.url)
    const path = url.pathname.slice(BASE_PATH.length)
    const isTokenCall = path.startsWith('/v1.0/token')
    if (header('client_id') !== TUYA_CLIENT_ID) return failed(c, 1005, 'client_id is invalid')
    if (header('sign_method') !== 'HMAC-SHA256') return failed(c, 1004, 'sign method is invalid')
    const t = header('t')
    if (!/^\d{13}$/.test(t) || Math.abs(Number(t) - desk.now()) > CLOCK_TOLERANCE_MS)
      return failed(c, 1013, 'request time is invalid')
    const accessToken = header('access_token')
    const names = header('signature-headers').split(':').filter(Boolean)
    const expected = (signedPath: string): string =>
      tuyaSignature({
        clientId: TUYA_CLIENT_ID,
        secret: TUYA_CLIENT_SECRET,
        method: c.req.method,
        url: signedPath + sortedQuery(url),
        body: '',
        t,
        nonce: header('nonce'),
        ...(!isTokenCall && { accessToken }),
        headers: names.map(name => [name, header(name)] as const),
      })
    const sign = header('sign')
    if (!sameText(sign, expected(path)) && !sameText(sign, expected(url.pathname)))
      return failed(c, 1004, 'sign is invalid')
    if (header('nonce') !== '' && replayed(header('nonce')))
      return failed(c, 1004, 'sign is invalid: nonce used before')
    if (isTokenCall) return null
    if (accessToken === '') return failed(c, 1002, 'access_token is null')
    if (accessToken !== token?.access) return failed(c, 1011, 'token is invalid')
    return token.expiresAt <= desk.now() ? failed(c, 1010, 'token is expired') : null
  }

  const app = desk.serve(authorise)

  app.get('/v1.0/token', c => (c.req.query('grant_type') === '1' ? issue(c) : failed(c, 1003, 'grant type is invalid')))

  app.get('/v1.0/token/:refresh', c => {
    if (token === null || c.req.param('refresh') !== token.refresh) return failed(c, 1011, 'token is invalid')
    return issue(c)
  })

  const wrongShop = (c: Context<SandboxEnv>): Response | null => {
    const [mall, shop, user] = [param(c, 'mall_code'), param(c, 'shop_code'), param(c, 'user_id')]
    if (mall === null || shop === null || user === null) return failed(c, 1109, 'param is illegal, please check it')
    return mall === TUYA_MALL && shop === TUYA_SHOP ? null : failed(c, 1106, 'permission deny')
  }

  app.get('/v1.0/mall/plugin/order/search', c => {
    const refused = wrongShop(c)
    if (refused !== null) return refused
    const pageNo = count(c, 'page_no', 1)
    const pageSize = Math.min(count(c, 'page_size', 10), LARGEST_PAGE)
    const owned = desk.shelf.ofOwner(param(c, 'user_id') ?? '')
    const found = desk.switches.sort === 'newest' ? owned.toReversed() : owned
    const rows = found.slice((pageNo - 1) * pageSize, pageNo * pageSize).map(entry => {
      const { commodity_list: _, ...row } = JSON.parse(entry.json)
      return row
    })
    const result = { page_no: pageNo, page_size: pageSize, total: found.length, data_list: rows }
    return succeeded(c, JSON.stringify(result))
  })

  app.get('/v1.0/mall/plugin/order/:id', c => {
    const refused = wrongShop(c)
    if (refused !== null) return refused
    const entry = desk.shelf.get(c.req.param('id'))
    if (entry === undefined || entry.owner !== param(c, 'user_id'))
      return desk.switches.missing === 'null' ? succeeded(c, 'null') : failed(c, 2005001, 'the order does not exist')
    return desk.switches.bare ? text(c, entry.json) : succeeded(c, entry.json)
  })

  app.all('*', c => failed(c, 1108, 'uri path invalid', 404))

  return {
    desk: {
      ...desk,
      expireToken() {
        if (token !== null) token.expiresAt = desk.now()
      },
      replaceToken() {
        token = null
      },
    },
    app,
  }
}
