import { endOfString } from './exact-json.ts'

/** Where the elements of an array in a JSON text begin and end, without parsing it. */

const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c]
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d]

/** `open`: behind the opening bracket; `close`: at the closing one. */
export interface ArraySpan {
  readonly open: number
  readonly close: number
}

/**
 * Walks the array of objects at this path of members. `element` is called where each begins and returns where it ends; below 0: give up.
 * null: there is no such array, or the text is not plain enough to say so (a member occurs twice, a name has escapes, an element is no
 * object, it is not JSON). What is inside of a value is not checked.
 */
export function walkArray(text: string, path: readonly string[], element: (at: number) => number): ArraySpan | null {
  let span: ArraySpan | null = null

  function elements(at: number): number {
    if (text.charCodeAt(at) !== OPEN_BRACKET) return -1
    let here = behindBlanks(text, at + 1)
    if (text.charCodeAt(here) !== CLOSE_BRACKET)
      for (;;) {
        if (text.charCodeAt(here) !== OPEN_BRACE) return -1
        const end = element(here)
        if (end < 0) return -1
        here = behindBlanks(text, end)
        if (text.charCodeAt(here) === CLOSE_BRACKET) break
        if (text.charCodeAt(here) !== COMMA) return -1
        here = behindBlanks(text, here + 1)
      }
    span = { open: at + 1, close: here }
    return here + 1
  }

  /** Behind the object that begins at `at`, which must hold the rest of the path. */
  function members(at: number, depth: number): number {
    if (text.charCodeAt(at) !== OPEN_BRACE) return -1
    let isFound = false
    for (let here = at; ; ) {
      here = behindBlanks(text, here + 1)
      if (text.charCodeAt(here) !== QUOTE) return -1
      const end = endOfString(text, here)
      const name = text.slice(here + 1, end - 1)
      here = behindBlanks(text, end)
      if (name.includes('\\') || text.charCodeAt(here) !== COLON) return -1
      here = behindBlanks(text, here + 1)
      // JSON.parse takes the last of two members of one name.
      if (name === path[depth] && isFound) return -1
      if (name !== path[depth]) here = endOfValue(text, here)
      else {
        isFound = true
        here = depth === path.length - 1 ? elements(here) : members(here, depth + 1)
      }
      if (here < 0) return -1
      here = behindBlanks(text, here)
      if (text.charCodeAt(here) === CLOSE_BRACE) return isFound ? here + 1 : -1
      if (text.charCodeAt(here) !== COMMA) return -1
    }
  }

  return members(behindBlanks(text, 0), 0) < 0 ? null : span
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
const endsScalar = (code: number): boolean =>
  code === COMMA || code === CLOSE_BRACKET || code === CLOSE_BRACE || isBlank(code)

function behindBlanks(text: string, at: number): number {
  let here = at
  while (isBlank(text.charCodeAt(here))) here += 1
  return here
}

/** Behind the value that begins at `at`, by its brackets alone; -1: it does not end. */
export function endOfValue(text: string, at: number): number {
  const first = text.charCodeAt(at)
  if (first === QUOTE) return behindString(text, at)
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    let end = at
    while (end < text.length && !endsScalar(text.charCodeAt(end))) end += 1
    return end > at ? end : -1
  }
  let depth = 0
  for (let here = at; here < text.length; here++) {
    const code = text.charCodeAt(here)
    if (code === QUOTE) {
      here = behindString(text, here) - 1
      if (here < 0) return -1
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth -= 1
      if (depth === 0) return here + 1
    }
  }
  return -1
}

function behindString(text: string, open: number): number {
  const close = text.indexOf('"', open + 1)
  if (close === -1) return -1
  if (text.charCodeAt(close - 1) !== BACKSLASH) return close + 1
  const end = endOfString(text, open)
  return end > open + 1 && text.charCodeAt(end - 1) === QUOTE ? end : -1
}
