import { hash } from 'node:crypto'
import type { OrderSnapshot } from '../../../schemas/order.ts'
import { parseJson } from '../../lib/exact-json.ts'
import { endOfValue, walkArray } from '../../lib/json-array.ts'
import type { KnownRow, KnownRows, Page, Reject, RowBytes, SkippedRows } from '../source.ts'
import { type ReadRow, readRowAlone, readRows } from './read-rows.ts'

/**
 * Pages whose known rows are not parsed. The bytes of a row are found in the text of the answer and digested; a known row is cut out of
 * the text before it is parsed. Whatever is unusual is read in the general way, which gives the same orders.
 */

/** After so many rows of a page without a known one the rest is not worth looking at. */
const MOST_MISSES = 24

export interface ListOptions<T extends { readonly rows: readonly unknown[] }> {
  /** Where an answer may hold its rows, as paths of members: the first that is there. */
  readonly paths: readonly (readonly string[])[]
  readonly known: KnownRows | undefined
  /** Checks the envelope and gives its rows. */
  listOf(body: unknown): T
  readonly readRow: ReadRow
}

interface Answer {
  readonly text: string
  json(): unknown
}

/** Reads the list that an answer holds. `count`: its rows, the skipped ones included. */
export function readList<T extends { readonly rows: readonly unknown[] }>(
  answer: Answer,
  options: ListOptions<T>,
): { readonly listed: T; readonly page: Page; readonly count: number } {
  const { paths, known, listOf, readRow } = options
  const fast = known && known.size > 0 ? readAround(answer.text, known, options) : null
  if (fast) return fast
  const places: number[] = []
  const body = answer.json()
  const listed = listOf(body)
  const page = readRows(listed.rows, readRow, places)
  const count = listed.rows.length
  const path = known && paths.find(one => memberOf(body, one) === listed.rows)
  if (!path) return { listed, page, count }
  const bytes = () => bytesOf(page.orders, places, spansOf(answer.text, path, count))
  return { listed, count, page: { ...page, bytes } }
}

/** Skips the known rows; null: there is none, or the page has to be read in the general way. */
function readAround<T extends { readonly rows: readonly unknown[] }>(
  text: string,
  known: KnownRows,
  { paths, listOf, readRow }: ListOptions<T>,
): { readonly listed: T; readonly page: Page; readonly count: number } | null {
  for (const path of paths) {
    const split = splitAt(text, path, known)
    if (!split) continue
    const { rows, from, unknown, rest } = split
    if (rows.length === 0) return null
    const body = parsed(rest)
    if (body === undefined) return null
    const listed = listOf(body)
    if (listed.rows !== memberOf(body, path) || listed.rows.length !== unknown.length) return null
    const places: number[] = []
    const { orders, rejects } = readRows(listed.rows, readRow, places)
    if (repeats([...rows, ...orders, ...rejects])) return null
    const skipped: SkippedRows = {
      rows,
      read(at): OrderSnapshot | Reject {
        const [start = 0, length = 0] = [from[at], rows[at]?.length]
        return readRowAlone(parseJson(text.slice(start, start + length)), readRow)
      },
    }
    const page = { orders, rejects, skipped, bytes: () => bytesOf(orders, places, unknown) }
    return { listed, page, count: rows.length + listed.rows.length }
  }
  return null
}

interface Split {
  readonly rows: readonly KnownRow[]
  /** Where each of `rows` begins. */
  readonly from: readonly number[]
  readonly unknown: readonly RowBytes[]
  /** The text without `rows`. */
  readonly rest: string
}

function splitAt(text: string, path: readonly string[], known: KnownRows): Split | null {
  const rows: KnownRow[] = []
  const from: number[] = []
  const unknown: RowBytes[] = []
  const kept: string[] = []
  let guess: KnownRow | undefined
  let misses = 0
  const span = walkArray(text, path, at => {
    let bytes = guess && bytesAt(text, at, guess.length)
    let row = bytes && guess && bytes.mark === guess.mark ? guess : undefined
    if (!row) {
      const end = endOfValue(text, at)
      if (end < 0) return -1
      bytes = bytesAt(text, at, end - at)
      row = known.find(bytes.mark)
    }
    if (row) {
      rows.push(row)
      from.push(at)
      guess = known.behind(row)
      return at + row.length
    }
    if (!bytes || (rows.length === 0 && ++misses === MOST_MISSES)) return -1
    unknown.push(bytes)
    kept.push(text.slice(at, at + bytes.length))
    return at + bytes.length
  })
  if (!span) return null
  return { rows, from, unknown, rest: text.slice(0, span.open) + kept.join(',') + text.slice(span.close) }
}

const bytesAt = (text: string, at: number, length: number): RowBytes => ({
  mark: hash('sha1', text.slice(at, at + length), 'base64'),
  length,
})

/** The bytes of every row; null: they cannot be told. */
function spansOf(text: string, path: readonly string[], count: number): readonly RowBytes[] | null {
  const found: RowBytes[] = []
  const span = walkArray(text, path, at => {
    const end = endOfValue(text, at)
    if (end > 0) found.push(bytesAt(text, at, end - at))
    return end
  })
  return span && found.length === count ? found : null
}

function bytesOf(
  orders: readonly OrderSnapshot[],
  places: readonly number[],
  rows: readonly RowBytes[] | null,
): ReadonlyMap<string, RowBytes> {
  const found = new Map<string, RowBytes>()
  if (rows === null || repeats(orders)) return found
  for (const [index, { orderId }] of orders.entries()) {
    const bytes = rows[places[index] ?? -1]
    if (bytes) found.set(orderId, bytes)
  }
  return found
}

/** An order occurs twice, and only the general way knows which of its rows counts. */
function repeats(rows: readonly { readonly orderId: string | null }[]): boolean {
  const named = rows.flatMap(({ orderId }) => orderId ?? [])
  return new Set(named).size < named.length
}

/** undefined: it is no JSON, of which the general way says more. */
function parsed(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}

function memberOf(body: unknown, path: readonly string[]): unknown {
  let value = body
  for (const name of path) value = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  return value
}
