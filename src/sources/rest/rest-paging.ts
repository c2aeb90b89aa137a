import type { RestOptions } from '../../../schemas/vendor/rest.ts'
import { AppError } from '../../lib/errors.ts'
import type { Query } from '../shared/http.ts'
import { nextPage, placeOf } from '../shared/page-number.ts'
import { quantityOf, textOf } from '../shared/parse.ts'
import { createReader } from '../shared/row-reader.ts'
import type { Page } from '../source.ts'
import type { RestAnswer } from './rest-client.ts'
import { proofOf } from './rest-fields.ts'
import { createFinder } from './rest-paths.ts'

/** How the pages of a list follow each other. A token is opaque to the caller; null is the first page, or the end. */
export interface RestPaging {
  /** `query`: joins that of the list. `link`: a whole address below the base URL, with its query. */
  request(
    token: string | null,
  ): { readonly query: Query } | { readonly link: { readonly path: string; readonly query: string } }
  next(token: string | null, answer: RestAnswer, page: Page, total: number | null): string | null
}

interface PagingOptions {
  readonly list: RestOptions['list']
  readonly baseUrl: string
  /** Parameters with credentials, which tokens never hold. */
  readonly secretKeys: readonly string[]
}

export function createRestPaging(options: PagingOptions): RestPaging {
  const { paging, size, pages } = options.list
  const pageSize = size.value
  switch (paging.type) {
    case 'page': {
      const countPages = pages && counter(pages)
      return {
        request: token => ({ query: { [paging.param]: paging.first + placeOf(token).number - 1 } }),
        next(token, answer, page, total) {
          const at = placeOf(token)
          const count = total === null && countPages ? countPages(answer) : null
          if (count !== null && count !== undefined) return at.number >= count ? null : `${at.number + 1}:0`
          return nextPage(at, page, { total, pageSize })
        },
      }
    }
    case 'offset':
      return {
        request: token => ({ query: { [paging.param]: placeOf(token).before } }),
        next: (token, _, page, total) => nextPage(placeOf(token), page, { total, pageSize }),
      }
    case 'cursor': {
      const find = createFinder(paging.next)
      const hasMore = paging.more && proofOf(paging.more, 'it counts as the last page')
      return {
        request: token => ({ query: token === null ? {} : { [paging.param]: token } }),
        next(_, { body }) {
          if (hasMore && !hasMore({ read: createReader(), row: body, at: '' })) return null
          const cursor = textOf(find(body).value)
          if (cursor.state === 'given') return cursor.value
          if (!hasMore && cursor.state === 'absent') return null
          throw new AppError(
            'The list says that there is a next page, and gives no cursor for it. It is tried again.',
            {
              code: 'rest.malformed',
              intent: 'retry',
            },
          )
        },
      }
    }
    case 'link': {
      const find = paging.next === undefined ? null : createFinder(paging.next)
      return {
        request: token => (token === null ? { query: {} } : { link: linkOf(token) }),
        next(_, { headers, body }) {
          const found = find ? textOf(find(body).value) : null
          const target = found ? (found.state === 'given' ? found.value : null) : nextLink(headers.link ?? '')
          return target === null ? null : tokenOf(target, options)
        },
      }
    }
    case 'none':
      return { request: () => ({ query: {} }), next: () => null }
  }
}

/** The address with `rel="next"` of a Link header (RFC 8288); null: none. */
function nextLink(header: string): string | null {
  for (const [, target = '', parameters = ''] of header.matchAll(/<([^>]*)>([^<]*)/g)) {
    const [, quoted, bare] = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(parameters) ?? []
    if ((quoted ?? bare ?? '').toLowerCase().split(/\s+/).includes('next')) return target
  }
  return null
}

/**
 * The address below the base URL. Its host is not looked at: credentials go to the base URL's only, and behind a proxy an API may
 * not know its own name.
 */
function tokenOf(target: string, { baseUrl, list, secretKeys }: PagingOptions): string {
  const base = new URL(baseUrl).pathname.replace(/\/+$/, '')
  const url = URL.parse(target, `http://host${base}${list.path}`)
  if (!url?.pathname.startsWith(`${base}/`))
    throw new AppError(
      'The list points to a next page outside of baseUrl. Check baseUrl, or use another kind of paging.',
      {
        code: 'rest.foreign_link',
        intent: 'retry',
      },
    )
  for (const key of secretKeys) url.searchParams.delete(key)
  return url.pathname.slice(base.length) + (secretKeys.length > 0 ? withMark(url.searchParams.toString()) : url.search)
}

const withMark = (query: string): string => (query === '' ? '' : `?${query}`)

function linkOf(token: string): { readonly path: string; readonly query: string } {
  const at = token.indexOf('?')
  return at === -1 ? { path: token, query: '' } : { path: token.slice(0, at), query: token.slice(at + 1) }
}

/** Reads a number that an answer tells in a header or in its body; null: it does not. */
export function counter(counted: NonNullable<RestOptions['list']['total']>): (answer: RestAnswer) => number | null {
  const find = 'path' in counted ? createFinder(counted.path) : null
  const name = 'header' in counted ? counted.header.toLowerCase() : ''
  return ({ headers, body }) => {
    const read = quantityOf(find ? find(body).value : headers[name])
    return read.state === 'given' ? Math.floor(read.value) : null
  }
}
