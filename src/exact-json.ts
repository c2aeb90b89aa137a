import { AppError } from './errors.ts'

/** A number in a JSON text long enough to be rounded by a double. */
const LONG_NUMBER = /(?:[:[,\s]|^)-?[\d.]{16}/

type Reviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown

/**
 * JSON.parse, but a number that a double cannot hold (a whole one beyond 2^53, or one of more than 15 digits) comes as
 * the string of its digits, exactly as it was written (case 9). Throws an AppError (`retry`) that quotes nothing of the text.
 */
export function parseJson(text: string, where = 'The vendor'): unknown {
  try {
    return LONG_NUMBER.test(text)
      ? JSON.parse(text, keepDigits as (key: string, value: unknown) => unknown)
      : JSON.parse(text)
  } catch {
    // The parser's own message quotes the text, which may hold personal data: it is not kept as the cause.
    const found = text.trim() === '' ? 'nothing' : `${text.length} characters that are not JSON`
    throw new AppError(`${where} answered ${found}, expected JSON.`, { code: 'vendor.not_json', intent: 'retry' })
  }
}

const keepDigits: Reviver = (_key, value, { source }) => {
  if (typeof value !== 'number' || source === undefined) return value
  const digits = source.replace(/[eE].*$/, '').replace(/\D/g, '').length
  if (Number.isInteger(value) ? Number.isSafeInteger(value) : digits <= 15) return value
  return /^-?[\d.]+$/.test(source) ? source : value
}
