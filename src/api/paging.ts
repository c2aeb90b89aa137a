import { AppError } from '../lib/errors.ts'
import { invalid } from './problem.ts'

/** A cursor names its list, so that one list's cursor is refused by another. Opaque to clients. */
const seal = (list: string, place: string | number): string => Buffer.from(`${list}:${place}`).toString('base64url')

function unseal(list: string, cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString()
  const place = text.slice(list.length + 1)
  if (!text.startsWith(`${list}:`) || place === '' || seal(list, place) !== cursor) throw noCursor()
  return place
}

const noCursor = () =>
  invalid([{ path: 'after', message: 'expected the `next` of the page before, found something else' }])

export interface ListPage<T> {
  readonly data: readonly T[]
  readonly next: string | null
}

interface Asked {
  readonly limit: number
  readonly after?: string | undefined
}

/** A page of rows that are numbered by `n`. Reads one row more than asked for, to know whether there is a next page. */
export async function pageByNumber<T extends { n: number }>(
  list: string,
  { limit, after }: Asked,
  read: (paging: { limit: number; after?: number }) => Promise<readonly T[]>,
): Promise<ListPage<T>> {
  const rows = await read({ limit: limit + 1, ...(after !== undefined && { after: number(unseal(list, after)) }) })
  const data = rows.slice(0, limit)
  const last = data.at(-1)
  return { data, next: rows.length > limit && last ? seal(list, last.n) : null }
}

function number(place: string): number {
  if (!/^\d{1,15}$/.test(place)) throw noCursor()
  return Number(place)
}

/** A page of a list whose reader has cursors of its own. */
export async function pageByCursor<T>(
  list: string,
  { limit, after }: Asked,
  read: (paging: { limit: number; after?: string }) => Promise<ListPage<T>>,
): Promise<ListPage<T>> {
  try {
    const { data, next } = await read({ limit, ...(after !== undefined && { after: unseal(list, after) }) })
    return { data, next: next === null ? null : seal(list, next) }
  } catch (error) {
    if (error instanceof AppError && error.code === 'store.bad_cursor') throw noCursor()
    throw error
  }
}

/** A page of a short list that is in memory, by id. */
export function pageById<T extends { id: string }>(
  list: string,
  { limit, after }: Asked,
  all: readonly T[],
): ListPage<T> {
  const sorted = all.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  const place = after === undefined ? null : unseal(list, after)
  const from = place === null ? sorted : sorted.filter(({ id }) => id > place)
  const data = from.slice(0, limit)
  const last = data.at(-1)
  return { data, next: from.length > limit && last ? seal(list, last.id) : null }
}
