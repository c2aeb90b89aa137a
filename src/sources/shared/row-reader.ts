import type { z } from 'zod'
import type { Doubt } from '../../../schemas/order.ts'
import { escapeJson } from '../../lib/control-characters.ts'
import type { Reject } from '../source.ts'
import { amount, currencyOf, emptyAsNull, idText, quantityOf, type Reading, textOf, time } from './parse.ts'

/** A value as a doubt may show it: JSON, at most 200 characters; of lists and objects only what they are, for they may hold personal data. */
export function shown(value: unknown): string {
  if (value === undefined) return 'absent'
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? `a list of ${value.length}` : 'an object'
  return escapeJson(JSON.stringify(value)).slice(0, 200)
}

export const doubt = (path: string, value: unknown, reason: string): Doubt => ({ path, value: shown(value), reason })

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
