import { AppError } from '../lib/errors.ts'
import { invalid } from './problem.ts'

/** A cursor contains the name of its list, so other lists refuse it. Opaque to clients. */
const cursorOf = (list: string, place: string | number): string => Buffer.from(`${list}:${place}`).toString('base64url')

function placeOf(list: string, cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString()
  const place = text.slice(list.length + 1)
  if (!text.startsWith(`${list}:`) || place === '' || cursorOf(list, place) !== cursor) throw noCursor()
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

/** A page of rows with the number `n`. Reads one extra row to see whether there is a next page. */
export async function pageByNumber<T extends { n: number }>(
  list: string,
  { limit, after }: Asked,
  read: (paging: { limit: number; after?: number }) => Promise<readonly T[]>,
): Promise<ListPage<T>> {
  const rows = await read({ limit: limit + 1, ...(after !== undefined && { after: number(placeOf(list, after)) }) })
  const data = rows.slice(0, limit)
  const last = data.at(-1)
  return { data, next: rows.length > limit && last ? cursorOf(list, last.n) : null }
}

function number(place: string): number {
  if (!/^\d{1,15}$/.test(place)) throw noCursor()
  return Number(place)
}

/** A page of a list whose reader has its own cursors. */
export async function pageByCursor<T>(
  list: string,
  { limit, after }: Asked,
  read: (paging: { limit: number; after?: string }) => Promise<ListPage<T>>,
): Promise<ListPage<T>> {
  try {
    const { data, next } = await read({ limit, ...(after !== undefined && { after: placeOf(list, after) }) })
    return { data, next: next === null ? null : cursorOf(list, next) }
  } catch (error) {
    if (error instanceof AppError && error.code === 'store.bad_cursor') throw noCursor()
    throw error
  }
}

/** A page of a short list in memory, by id. */
export function pageById<T extends { id: string }>(
  list: string,
  { limit, after }: Asked,
  all: readonly T[],
): ListPage<T> {
  const sorted = all.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  const place = after === undefined ? null : placeOf(list, after)
  const from = place === null ? sorted : sorted.filter(({ id }) => id > place)
  const data = from.slice(0, limit)
  const last = data.at(-1)
  return { data, next: from.length > limit && last ? cursorOf(list, last.id) : null }
}
