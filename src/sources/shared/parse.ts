import { timestamp } from '../../lib/clock.ts'
import { withoutControls } from '../../lib/control-characters.ts'
import { isIdText } from '../../lib/id-text.ts'
import { exactAmount } from './currency.ts'

/** Reading single values of a vendor's row. Pure: a value is given, absent, or unreadable with the reason. */
export type Reading<T> =
  | {
      readonly state: 'given'
      readonly value: T
      /** A time without a zone, read as UTC (case 35). */
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
