import { z } from 'zod'
import type { RestAmount, RestProof, RestTime } from '../../../schemas/vendor/rest-order.ts'
import type { RestPaths } from '../../../schemas/vendor/rest-path.ts'
import { timestamp } from '../../lib/clock.ts'
import { parseHttpDate } from '../../lib/http-date.ts'
import { minorDigits } from '../shared/currency.ts'
import { emptyAsNull, textOf } from '../shared/parse.ts'
import type { RowReader } from '../shared/row-reader.ts'
import { createFinder, createListFinder, type Found } from './rest-paths.ts'
import { instantOf } from './zone.ts'

/** Readers of single fields, made from their description. Each reads a row, or an element of a list at `at` within the row. */

/** Where the fields of a row are read. `at`: the path of the element, which begins the paths of quarantine entries. */
export interface Place {
  readonly read: RowReader
  readonly row: unknown
  readonly at: string
}

export type Field<T> = (place: Place) => T | null

/** The path of a value for quarantine entries. */
export const namedAt = ({ at }: Place, { path }: Found): string => [at, path].filter(part => part !== '').join('.')

function fieldOf<T>(
  paths: RestPaths | undefined,
  take: (read: RowReader, path: string, value: unknown) => T | null,
): Field<T> {
  if (paths === undefined) return () => null
  const find = createFinder(paths)
  return place => {
    const found = find(place.row)
    return take(place.read, namedAt(place, found), found.value)
  }
}

export const textField = (paths: RestPaths | undefined): Field<string> =>
  fieldOf(paths, (read, path, value) => read.text(path, value))
export const idField = (paths: RestPaths | undefined): Field<string> =>
  fieldOf(paths, (read, path, value) => read.id(path, value))
export const quantityField = (paths: RestPaths | undefined): Field<number> =>
  fieldOf(paths, (read, path, value) => read.quantity(path, value))

export function currencyField(field: RestPaths | { readonly value: string } | undefined): Field<string> {
  if (typeof field === 'object' && 'value' in field) return () => field.value
  return fieldOf(field, (read, path, value) => read.currency(path, value))
}

/** An amount, and whether it is there and cannot be read. */
export interface AmountRead {
  readonly amount: string | null
  readonly unreadable: boolean
}

const NOT_THERE: AmountRead = { amount: null, unreadable: false }

export function amountField(field: RestAmount | undefined): (place: Place, currency: string | null) => AmountRead {
  if (field === undefined) return () => NOT_THERE
  const {
    path: paths,
    unit,
    negated,
  } = isPaths(field) ? ({ path: field, unit: 'decimal', negated: false } as const) : field
  const find = createFinder(paths)
  return (place, currency) => {
    const { read } = place
    const found = find(place.row)
    const path = namedAt(place, found)
    if (emptyAsNull(found.value) === null) return NOT_THERE
    const value = negated ? withoutMinus(found.value) : found.value
    if (unit === 'minor') return minorAmount(read, path, value, currency)
    const amount = read.amount(path, value, currency)
    return { amount, unreadable: amount === null }
  }
}

/** `-10.00` → `10.00`; zero has no sign. Anything else stays, so that it is read as what it is. */
function withoutMinus(value: unknown): unknown {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string') return value
  return text.trim().startsWith('-') ? text.trim().slice(1) : /^[\s0.]+$/.test(text) ? text : `-${text}`
}

/** Whole minor units: 1999 is 19.99 USD and 1999 JPY. */
function minorAmount(read: RowReader, path: string, value: unknown, currency: string | null): AmountRead {
  const text = typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : ''
  const digits = minorDigits(currency)
  if (!/^\d{1,30}$/.test(text) || currency === null) {
    const reason =
      currency === null
        ? 'expected a currency, for minor units are worth nothing without'
        : 'expected a whole number of minor units, not negative'
    read.doubt(path, value, reason)
    return { amount: null, unreadable: true }
  }
  const padded = text.padStart(digits + 1, '0')
  const decimal = digits === 0 ? padded : `${padded.slice(0, -digits)}.${padded.slice(-digits)}`
  const amount = read.amount(path, decimal, currency)
  return { amount, unreadable: amount === null }
}

export interface TimeFormat {
  readonly format: 'text' | 'epoch-seconds' | 'epoch-milliseconds'
  /** Of times that name none; absent: UTC, and the row says so. */
  readonly zone?: string | undefined
}

export function timeField(field: RestTime | undefined, usual: TimeFormat): Field<string> {
  if (field === undefined) return () => null
  const own = isPaths(field) ? { path: field } : field
  const { format = usual.format, zone = usual.zone } = own
  return fieldOf(own.path, (read, path, value) =>
    format === 'text' ? textTime(read, path, value, zone) : epochTime(read, path, value, format),
  )
}

function textTime(read: RowReader, path: string, value: unknown, zone: string | undefined): string | null {
  const mail = typeof value === 'string' && /^[A-Za-z]{3},/.test(value.trim()) ? mailTime(value) : null
  if (mail !== null) return mail
  if (zone === undefined) return read.time(path, value)
  if (!isZoneless(value)) return read.time(path, value)
  const local = read.time(path, `${String(value).trim()}Z`)
  return local === null ? null : timestamp(instantOf(zone, Date.parse(local)))
}

const isZoneless = (value: unknown): boolean =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?$/.test(value.trim())

/** RFC 2822: `Tue, 05 Mar 2019 21:40:10 +0000`, or with another offset. */
function mailTime(text: string): string | null {
  const [, date = '', sign = '+', hours = '00', minutes = '00'] =
    /^(.*\d) (?:([+-])(\d\d)(\d\d)|GMT|UTC?)$/.exec(text.trim()) ?? []
  const at = parseHttpDate(`${date} GMT`, 0)
  if (at === null) return null
  const offset = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
  return timestamp(at - offset)
}

/** 0 is what some APIs write for "never". */
function epochTime(
  read: RowReader,
  path: string,
  value: unknown,
  format: 'epoch-seconds' | 'epoch-milliseconds',
): string | null {
  const found = emptyAsNull(value)
  if (found === null) return null
  const text = String(found).trim()
  if (/^0+(\.0*)?$/.test(text)) return null
  const number = /^\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN
  const at = Math.floor(format === 'epoch-seconds' ? number * 1000 : number)
  if (at <= LAST_TIME) return timestamp(at)
  read.doubt(
    path,
    value,
    `expected a time as a number of ${format === 'epoch-seconds' ? 'seconds' : 'milliseconds'} since 1970`,
  )
  return null
}

const LAST_TIME = Date.UTC(9999, 11, 31)

/** Whether the row proves something. An unknown word proves nothing and is quarantined: `costs` says what is missing then. */
export function proofOf(proof: RestProof, costs: string): (place: Place) => boolean {
  const conditions = [proof].flat().map(({ path, map, other, absent }) => {
    const find = createFinder(path)
    const words = map && new Map(Object.entries(map).map(([word, holds]) => [word.trim().toLowerCase(), holds]))
    return (place: Place): boolean => {
      const found = find(place.row)
      const value = emptyAsNull(found.value)
      if (value === null) return absent
      if (!words) return true
      const text = textOf(value)
      const holds = text.state === 'given' ? (words.get(text.value.toLowerCase()) ?? other) : undefined
      if (holds !== undefined) return holds
      place.read.doubt(namedAt(place, found), value, `expected one of ${[...words.keys()].join(', ')}; ${costs}`)
      return false
    }
  })
  // All are looked at, so that every unknown word is seen.
  return place => conditions.map(holds => holds(place)).every(Boolean)
}

const AnyObject = z.custom<object>(value => typeof value === 'object' && value !== null && !Array.isArray(value))

/** The elements of a list, each as a place of its own. */
export function listField(path: string): (place: Place) => readonly Place[] {
  const find = createListFinder(path)
  return place => {
    const found = find(place.row)
    const at = namedAt(place, found)
    return place.read
      .list(at, found.value, AnyObject)
      .map(({ path, item }) => ({ read: place.read, row: item, at: path }))
  }
}

const isPaths = (field: RestAmount | RestTime): field is RestPaths => typeof field === 'string' || Array.isArray(field)
