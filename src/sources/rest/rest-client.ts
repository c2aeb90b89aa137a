import type { RestOptions } from '../../../schemas/vendor/rest.ts'
import type { RestQuery } from '../../../schemas/vendor/rest-path.ts'
import { AppError } from '../../lib/errors.ts'
import type { Query, VendorHttp } from '../shared/http.ts'
import { createReader } from '../shared/row-reader.ts'
import type { ReadOptions } from '../source.ts'
import { proofOf } from './rest-fields.ts'

/** Requests to one API: authentication, and whether an answer says that it succeeded. */

export interface RestAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** undefined: the answer has none (204), or its status is an error (one of `accept`). */
  readonly body: unknown
}

export interface RestClient {
  /** `query` as a text is sent as it is. `label` stands for the path in messages. */
  get(
    path: string,
    query: Query | string,
    options: ReadOptions & { label?: string; accept?: readonly number[] },
  ): Promise<RestAnswer>
  /** Names of query parameters that hold credentials. */
  readonly secretKeys: readonly string[]
}

export function createRestClient(
  { auth, headers: fixed, ok }: Pick<RestOptions, 'auth' | 'headers' | 'ok'>,
  http: VendorHttp,
): RestClient {
  const headers = { ...fixed, ...authHeaders(auth) }
  const keys = auth.type === 'query' ? auth.keys : {}
  const isOk = ok ? proofOf(ok, 'the answer counts as a failure') : null

  return {
    secretKeys: Object.keys(keys),
    async get(path, query, { signal, priority, label = path, accept = [] }) {
      const full =
        typeof query === 'string' ? joined(query, new URLSearchParams(keys).toString()) : { ...query, ...keys }
      const answer = await http.get(path, { signal, priority, query: full, headers, accept, label })
      const { status } = answer
      if (status >= 400 || status === 204) return { status, headers: answer.headers, body: undefined }
      const body = answer.json()
      if (isOk && !isOk({ read: createReader(), row: body, at: '' })) throw failed(`GET ${label}`)
      return { status, headers: answer.headers, body }
    },
  }
}

const joined = (...parts: readonly string[]): string => parts.filter(part => part !== '').join('&')

function authHeaders(auth: RestOptions['auth']): Readonly<Record<string, string>> {
  switch (auth.type) {
    case 'bearer':
      return { authorization: `Bearer ${auth.token}` }
    case 'basic':
      return { authorization: `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}` }
    case 'header':
      return auth.headers
    case 'query':
    case 'none':
      return {}
  }
}

const failed = (where: string): AppError =>
  new AppError(
    `${where} answered 200, but not what "ok" in the configuration expects of an answer. It is tried again.`,
    {
      code: 'rest.failed',
      intent: 'retry',
    },
  )

/** What stands for the places (`{from}`, `{id}` …) of a template. */
export function filledQuery(query: RestQuery, places: Readonly<Record<string, string>>): Query {
  const fill = (value: string | number) => (typeof value === 'string' ? filled(value, places) : value)
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => [name, Array.isArray(value) ? value.map(fill) : fill(value)]),
  )
}

export const filled = (template: string, places: Readonly<Record<string, string>>): string =>
  template.replace(/\{(\w+)\}/g, (whole, name: string) => places[name] ?? whole)
