import { type ShoplazzaConnection, shoplazzaVersionIn } from '../../../schemas/vendor/connections.ts'
import { AppError } from '../../lib/errors.ts'
import type { GetOptions, VendorHttp, VendorResponse } from '../shared/http.ts'
import { scalarText } from '../shared/parse.ts'

/** Requests to one shop: version, token and envelope are dealt with here, so that both families look alike behind it. */
export interface ShoplazzaApi {
  /** Such as `2022-01`. */
  readonly version: string
  /** 2025-06 or later: `page_size` and `cursor`, repeated names for lists (case 23). */
  readonly newer: boolean
  /** The body of an error status (one of `accept`) is empty. */
  get(path: string, options: Omit<GetOptions, 'headers'>): Promise<{ status: number; body: Record<string, unknown> }>
  /** The answer before it is parsed, and what takes its parsed text out of the envelope. */
  ask(path: string, options: Omit<GetOptions, 'headers'>): Promise<ShoplazzaAnswer>
}

interface ShoplazzaAnswer extends VendorResponse {
  unwrap(body: unknown): Record<string, unknown>
}

const NEWER_FROM = '2025-06'

export function createShoplazzaApi(
  connection: Pick<ShoplazzaConnection, 'baseUrl' | 'apiVersion' | 'accessToken'>,
  http: VendorHttp,
): ShoplazzaApi {
  const segments = new URL(connection.baseUrl).pathname.split('/').filter(Boolean)
  const version = connection.apiVersion ?? shoplazzaVersionIn(connection.baseUrl)
  if (version === null)
    throw new AppError(
      'A Shoplazza connection needs an API version: end baseUrl with one, such as https://shop.myshoplaza.com/openapi/2022-01, or set apiVersion.',
      { code: 'config.shoplazza_version', intent: 'fix' },
    )
  // A base URL that stops short of the version is completed with it.
  const prefix = segments.at(-1) === 'openapi' ? `/${version}` : ''

  const ask: ShoplazzaApi['ask'] = async (path, options) => {
    const answer = await http.get(prefix + path, { ...options, headers: { 'access-token': connection.accessToken } })
    return { ...answer, unwrap: body => unwrap(body, `GET ${options.label ?? path}`) }
  }

  return {
    version,
    newer: version >= NEWER_FROM,
    ask,
    async get(path, options) {
      const answer = await ask(path, options)
      return { status: answer.status, body: answer.status >= 400 ? {} : answer.unwrap(answer.json()) }
    },
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * `{ code, message, data }` or the thing itself. Words for success vary (`success`, `Success`, 0, 200), so a failure is known by what
 * is missing: an envelope without data.
 */
function unwrap(body: unknown, where: string): Record<string, unknown> {
  if (!isObject(body))
    throw new AppError(`${where} answered ${Array.isArray(body) ? 'a list' : 'no object'}, expected an object.`, {
      code: 'shoplazza.malformed',
      intent: 'retry',
    })
  if (isObject(body.data)) return { ...body, ...body.data }
  // The vendor's general words on paging put the rows themselves there.
  if (Array.isArray(body.data)) return { orders: body.data, records: body.data, ...body }
  if (!('code' in body) || 'orders' in body || 'order' in body || 'records' in body || 'id' in body) return body
  throw new AppError(`${where} answered code ${scalarText(body.code).slice(0, 40)} without data. It is tried again.`, {
    code: 'shoplazza.failed',
    intent: 'retry',
  })
}
