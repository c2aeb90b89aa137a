import { AppError } from './errors.ts'

/** A number long enough to be rounded by a double, outside of strings, where a number is a value and never the name of a member. */
const NUMBER = /(?<=^|[\s:,[])-?(?=[\d.]{16})(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?=\s*(?:[,\]}]|$))/g
const SHORTEST = 16

/**
 * JSON.parse, but a number that a double cannot hold (a whole one beyond 2^53, or one of more than 15 digits) comes as
 * the string of its digits, exactly as it was written (case 9). Throws an AppError (`retry`) that quotes nothing of the text.
 */
export function parseJson(text: string, where = 'The vendor'): unknown {
  try {
    return exactly(text)
  } catch {
    // It is not valid JSON, but its meaning may still be clear (case 43).
    const plain = withEscapedControls(text)
    try {
      if (plain !== text) return exactly(plain)
    } catch {}
    // The parser's own message quotes the text, which may hold personal data: it is not kept as the cause.
    const found = text.trim() === '' ? 'nothing' : `${text.length} characters that are not JSON`
    throw new AppError(`${where} answered ${found}, expected JSON.`, { code: 'vendor.not_json', intent: 'retry' })
  }
}

const exactly = (text: string): unknown => JSON.parse(mayHoldLongNumber(text) ? withDigits(text) : text)

const isDigitOrPoint = (code: number): boolean => (code >= 48 && code <= 57) || code === 46
const BEFORE_NUMBER = /[:[,\s]/

/**
 * Whether a text holds a run of 16 digits and points where a value may begin. Such a run has a character at a multiple of 16, so
 * looking at every 16th is enough: a pattern that looks at each costs a third of what `JSON.parse` does.
 */
export function mayHoldLongNumber(text: string): boolean {
  for (let at = SHORTEST - 1; at < text.length; at += SHORTEST) {
    if (!isDigitOrPoint(text.charCodeAt(at))) continue
    let from = at
    while (isDigitOrPoint(text.charCodeAt(from - 1))) from -= 1
    let to = at + 1
    while (isDigitOrPoint(text.charCodeAt(to))) to += 1
    if (to - from >= SHORTEST) {
      const before = text.charAt(from - 1) === '-' ? from - 2 : from - 1
      if (before < 0 || BEFORE_NUMBER.test(text.charAt(before))) return true
    }
    // The rest of this run is known.
    at = Math.max(at, to - 1 - ((to - 1 - at) % SHORTEST))
  }
  return false
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
const RAW_CONTROL = /\\[\s\S]|[\u0000-\u001f]/g

/** The text without byte order marks before it, and with control characters inside strings written as JSON wants them: a raw line break, say. */
function withEscapedControls(text: string): string {
  const json = text.replace(/^\ufeff+/, '')
  const parts: string[] = []
  for (let at = 0; at < json.length; ) {
    const open = json.indexOf('"', at)
    const end = open === -1 ? json.length : endOfString(json, open)
    if (open !== -1) parts.push(json.slice(at, open), json.slice(open, end).replace(RAW_CONTROL, escaped))
    else parts.push(json.slice(at))
    at = end
  }
  return parts.join('')
}

/** A character behind a backslash is kept: a raw control character there has no clear meaning, so the text stays invalid. */
const escaped = (found: string): string =>
  found.startsWith('\\') ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`

/**
 * The text with its long numbers in quotes. A reviver of JSON.parse could read their digits too, but it is called for every value (seconds for a
 * large text) and recurses (stack overflow for a deep one).
 */
function withDigits(text: string): string {
  const parts: string[] = []
  let done = 0
  for (let at = 0; at < text.length; ) {
    const open = text.indexOf('"', at)
    const end = open === -1 ? text.length : open
    if (end - at >= SHORTEST) {
      parts.push(text.slice(done, at), text.slice(at, end).replace(NUMBER, kept))
      done = end
    }
    at = open === -1 ? end : endOfString(text, open)
  }
  return parts.join('') + text.slice(done)
}

/** Behind the closing quote; the end of the text where there is none. */
export function endOfString(text: string, open: number): number {
  for (let close = text.indexOf('"', open + 1); close !== -1; close = text.indexOf('"', close + 1)) {
    let slashes = 0
    while (text[close - 1 - slashes] === '\\') slashes += 1
    if (slashes % 2 === 0) return close + 1
  }
  return text.length
}

function kept(number: string): string {
  const isWhole = /^-?\d+$/.test(number)
  const digits = number.replace(/[eE].*$/, '').replace(/\D/g, '').length
  return (isWhole ? Number.isSafeInteger(Number(number)) : digits <= 15) ? number : `"${number}"`
}
