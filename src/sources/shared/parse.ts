import type { z } from 'zod'
import type { Doubt, OrderSnapshot } from '../../../schemas/order.ts'
import { timestamp } from '../../lib/clock.ts'
import { escapeJson, withoutControls } from '../../lib/control-characters.ts'
import { AppError } from '../../lib/errors.ts'
import { isIdText } from '../../lib/id-text.ts'
import { snapshotText } from '../../order/snapshot-text.ts'
import type { Page, Reject } from '../source.ts'
import { exactAmount } from './currency.ts'

/** Reading single values of a vendor's row. Pure: a value is given, absent, or unreadable with the reason. */
export type Reading<T> =
  | {
      readonly state: 'given'
      readonly value: T /** A time without a zone, read as UTC (case 35). */
      readonly zoneless?: true
    }
  | { readonly state: 'absent' }
  | { readonly state: 'unreadable'; readonly reason: string }

const ABSENT = { state: 'absent' } as const
const given = <T>(value: T): Reading<T> => ({ state: 'given', value })
const unreadable = (reason: string) => ({ state: 'unreadable', reason }) as const

/** null for everything vendors write for "nothing": null, absent, `""`, blanks, the word `NULL` (case 3). */
export function emptyAsNull<T>(value: T): T | null {
  if (value === null || value === undefined) return null
  // No pattern: one that allows blanks on both sides takes minutes on a long run of them.
  if (typeof value === 'string' && (value.trim() === '' || value.trim().toLowerCase() === 'null')) return null
  return value
}

/** A code or flag as text. Of lists and objects only that they are one: theirs may call anything, and need not end. */
export const scalarText = (value: unknown): string =>
  typeof value === 'object' && value !== null ? '(no scalar)' : String(value)

/** An id: a string (see `isIdText`), or a number that no double has rounded (case 9). */
export function idText(value: unknown): Reading<string> {
  const found = emptyAsNull(value)
  if (found === null) return ABSENT
  if (typeof found === 'number')
    return Number.isSafeInteger(found)
      ? given(String(found))
      : unreadable('an id that is a number must be whole and below 2^53, else it has been rounded')
  if (typeof found !== 'string') return unreadable('expected an id: a string or a whole number')
  const text = found.trim()
  return isIdText(text) ? given(text) : unreadable('expected an id of at most 255 printable characters')
}

/** Longer text is none that a shop shows; it would make events that no topic takes. */
const LONGEST_TEXT = 4096

/** Free text or a status word, as the vendor wrote it, trimmed and without control characters. Of numbers those whose digits are known. */
export function textOf(value: unknown): Reading<string> {
  const found = emptyAsNull(value)
  if (found === null) return ABSENT
  const text = typeof found === 'number' || typeof found === 'boolean' ? String(found) : found
  if (typeof text !== 'string') return unreadable('expected text')
  if (typeof found === 'number' && !/^-?[\d.]+$/.test(text)) return unreadable('expected text, or a number in digits')
  const trimmed = withoutControls(text).trim()
  if (trimmed === '') return ABSENT
  return trimmed.length > LONGEST_TEXT
    ? unreadable(`expected text of at most ${LONGEST_TEXT} characters`)
    : given(trimmed)
}

/** An ISO 4217 code, upper case. */
export function currencyOf(value: unknown): Reading<string> {
  const found = emptyAsNull(value)
  if (found === null) return ABSENT
  const code = typeof found === 'string' ? found.trim().toUpperCase() : ''
  return /^[A-Z]{3}$/.test(code) ? given(code) : unreadable('expected a currency of three letters')
}

/**
 * A decimal amount as a string with exactly the minor digits of its currency (null: two), half rounded up (case 34).
 * `"9,99"`, negative ones, NaN and the like are unreadable (case 33).
 */
export function amount(value: unknown, currency: string | null): Reading<string> {
  const found = emptyAsNull(value)
  if (found === null) return ABSENT
  const text = typeof found === 'number' ? String(found) : typeof found === 'string' ? found.trim() : ''
  const exact = exactAmount(text, currency)
  return exact === null ? unreadable('expected an amount such as 9.99, not negative') : given(exact)
}

/** A count of pieces: a number that is not negative, with no more digits than a double keeps. */
export function quantityOf(value: unknown): Reading<number> {
  const found = emptyAsNull(value)
  if (found === null) return ABSENT
  const text = typeof found === 'number' ? String(found) : typeof found === 'string' ? found.trim() : ''
  return /^\d+(\.\d+)?$/.test(text) && text.replace(/^0+|\./g, '').length <= 15
    ? given(Number(text))
    : unreadable('expected a quantity, not negative')
}

const LARGEST_OFFSET = 18 * 3_600_000
/** As most vendors write an instant. */
const PLAIN_UTC = /^[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z$/
const DATE_ONLY = /^(\d{4})(?:-(\d\d)-|(\d\d))(\d\d)$/
const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*(Z|z|UTC|[+-]\d\d(?::?\d\d)?)?$/

/**
 * An instant as a Timestamp. RFC 3339 with `Z` or an offset; without a zone it is UTC and says so (case 35); a date alone
 * (`20220901`, `2022-09-01`) is its midnight UTC (case 19), whether written as a string or as a number. Epoch seconds and
 * milliseconds count only where the caller allows them. The year 0 or 1 is what some servers write for "never".
 */
export function time(value: unknown, { epoch = false }: { epoch?: boolean } = {}): Reading<string> {
  const found = emptyAsNull(value)
  if (found === null) return ABSENT
  if (typeof found !== 'string' && typeof found !== 'number') return unreadable('expected a time')
  if (typeof found === 'string' && PLAIN_UTC.test(found)) {
    const at = Date.parse(found)
    // Both ways agree: `Date` has not rolled over into the next day.
    const text = Number.isNaN(at) ? '' : timestamp(at)
    if (text.startsWith(found.slice(0, 19))) return given(text)
  }
  const text = String(found).trim()
  if (/^000[01]-/.test(text)) return ABSENT
  const date = DATE_ONLY.exec(text)
  if (date) return instant([date[1], date[2] ?? date[3], date[4]], 0)
  const full = DATE_TIME.exec(text)
  if (full) {
    const [, year, month, day, hour, minute, second = '0', fraction = '', zone] = full
    const parts = [year, month, day, hour, minute, second, fraction.padEnd(3, '0').slice(0, 3)]
    const read = instant(parts, offsetMs(zone ?? 'Z'))
    return zone === undefined && read.state === 'given' ? { ...read, zoneless: true } : read
  }
  if (epoch && /^\d{9,13}$/.test(text)) return given(timestamp(Number(text) * (text.length > 11 ? 1 : 1000)))
  return unreadable('expected a time such as 2026-03-02T10:15:30Z')
}

function offsetMs(zone: string): number {
  const [, sign, hours, minutes = '00'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? []
  if (sign === undefined) return 0
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}

/** The parts as an instant, unless there is no such day or hour (`Date` would roll over into the next). */
function instant(parts: readonly (string | undefined)[], offset: number): Reading<string> {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0, ms = 0] = parts.map(Number)
  const at = Date.UTC(year, month - 1, day, hour, minute, second, ms)
  const back = new Date(at)
  const same =
    back.getUTCFullYear() === year &&
    back.getUTCMonth() === month - 1 &&
    back.getUTCDate() === day &&
    back.getUTCHours() === hour &&
    back.getUTCMinutes() === minute &&
    back.getUTCSeconds() === second
  const isReal = same && Math.abs(offset) <= LARGEST_OFFSET && new Date(at - offset).getUTCFullYear() <= 9999
  return isReal ? given(timestamp(at - offset)) : unreadable('expected a time that exists')
}

/** A value as a doubt may show it: JSON, at most 200 characters; of lists and objects only what they are, for they may hold personal data. */
export function shown(value: unknown): string {
  if (value === undefined) return 'absent'
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? `a list of ${value.length}` : 'an object'
  return escapeJson(JSON.stringify(value)).slice(0, 200)
}

const doubt = (path: string, value: unknown, reason: string): Doubt => ({ path, value: shown(value), reason })

export const reject = (orderId: string | null, path: string, value: unknown, reason: string): Reject => ({
  orderId,
  ...doubt(path, value, reason),
})

/** Reads the fields of one row and gathers what it could not understand. Every reading method gives null for absent and for unreadable. */
export interface RowReader {
  readonly doubts: readonly Doubt[]
  /** Paths of times that named no zone. */
  readonly zoneless: readonly string[]
  /** Adds a doubt. */
  doubt(path: string, value: unknown, reason: string): void
  /** Whether this path was found unreadable. */
  unreadable(path: string): boolean
  text(path: string, value: unknown): string | null
  id(path: string, value: unknown): string | null
  quantity(path: string, value: unknown): number | null
  currency(path: string, value: unknown): string | null
  amount(path: string, value: unknown, currency: string | null): string | null
  time(path: string, value: unknown, options?: { epoch?: boolean }): string | null
  /** An object of this shape; null: absent, or not one. */
  object<T>(path: string, value: unknown, shape: z.ZodType<T>): T | null
  /** The elements of a list with their paths; one that does not have the shape is left out with a doubt. Absent: empty. */
  list<T>(path: string, value: unknown, shape: z.ZodType<T>): readonly { path: string; item: T }[]
}

/** Of a row: more doubts say nothing more, and more elements are no order's. */
const MOST_DOUBTS = 50
const MOST_ELEMENTS = 20_000

export function createReader(): RowReader {
  const doubts: Doubt[] = []
  const zoneless: string[] = []
  const unreadable = new Set<string>()
  let elements = 0
  const add = (path: string, value: unknown, reason: string) => {
    unreadable.add(path)
    if (doubts.length < MOST_DOUBTS) doubts.push(doubt(path, value, reason))
  }
  function settle<T>(path: string, value: unknown, reading: Reading<T>): T | null {
    if (reading.state === 'unreadable') add(path, value, reading.reason)
    if (reading.state !== 'given') return null
    if (reading.zoneless) zoneless.push(path)
    return reading.value
  }
  function object<T>(path: string, value: unknown, shape: z.ZodType<T>): T | null {
    if (emptyAsNull(value) === null) return null
    const parsed = shape.safeParse(value)
    if (parsed.success) return parsed.data
    add(path, value, 'expected an object; what it would have told is missing')
    return null
  }
  return {
    doubts,
    zoneless,
    doubt: add,
    unreadable: path => unreadable.has(path),
    text: (path, value) => settle(path, value, textOf(value)),
    id: (path, value) => settle(path, value, idText(value)),
    quantity: (path, value) => settle(path, value, quantityOf(value)),
    currency: (path, value) => settle(path, value, currencyOf(value)),
    amount: (path, value, currency) => settle(path, value, amount(value, currency)),
    time: (path, value, options) => settle(path, value, time(value, options)),
    object,
    list(path, value, shape) {
      const found = emptyAsNull(value)
      if (found === null) return []
      if (!Array.isArray(found)) {
        add(path, value, 'expected a list; what it would have told is missing')
        return []
      }
      elements += found.length
      if (elements > MOST_ELEMENTS) {
        add(
          path,
          value,
          `expected an order of at most ${MOST_ELEMENTS} parts; what this list would have told is missing`,
        )
        return []
      }
      return found.flatMap((element: unknown, index) => {
        const at = `${path}[${index}]`
        const item = object(at, element, shape)
        return item === null ? [] : [{ path: at, item }]
      })
    },
  }
}

/** Forty times what is asked for at most. */
const MOST_ROWS = 10_000

/** Rows of which each would cost more memory than it has bytes: so many are no page. Throws `narrow`. */
export function assertPageful(rows: readonly unknown[]): void {
  if (rows.length <= MOST_ROWS) return
  throw new AppError(`The vendor answered ${rows.length} rows at once, which are too many for one page.`, {
    code: 'vendor.too_large',
    intent: 'narrow',
  })
}

export type ReadRow = (row: unknown) => OrderSnapshot | Reject

/** Reads every row by itself: one that cannot be read is set aside and costs no other. `places`: gets the place of each order in `rows`. */
export function readRows(rows: readonly unknown[], readRow: ReadRow, places?: number[]): Page {
  assertPageful(rows)
  const orders: OrderSnapshot[] = []
  const rejects: Reject[] = []
  for (const [place, row] of rows.entries()) {
    const read = attempt(row, readRow)
    if ('reason' in read) rejects.push(read)
    else {
      orders.push(read)
      places?.push(place)
    }
  }
  return { orders, rejects }
}

/** Reads one row; a defect of ours sets it aside. */
export const readRowAlone = attempt

/** A topic takes about 1 MB for an event, which holds less than its snapshot. */
const LARGEST_SNAPSHOT = 900_000
const isHandy = (snapshot: OrderSnapshot) => {
  const text = snapshotText(snapshot)
  // A character has three bytes at most.
  return 3 * text.length <= LARGEST_SNAPSHOT || Buffer.byteLength(text) <= LARGEST_SNAPSHOT
}

function attempt(row: unknown, readRow: ReadRow): OrderSnapshot | Reject {
  try {
    const read = readRow(row)
    if ('reason' in read || isHandy(read)) return read
    const reason = `expected an order of at most ${LARGEST_SNAPSHOT} bytes`
    const slim: OrderSnapshot = {
      ...read,
      lines: [],
      packages: read.packages.map(parcel => ({ ...parcel, lines: [] })),
      doubts: [...read.doubts, doubt('', row, `${reason}; its lines are missing`)],
    }
    return isHandy(slim) ? slim : reject(read.orderId, '', row, reason)
  } catch (error) {
    // A row that breaks the reader is a defect of ours; it must not hold up the page.
    return reject(null, '', row, `the row could not be read (${error instanceof Error ? error.name : 'error'})`)
  }
}
