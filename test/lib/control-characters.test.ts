import { describe, expect, test } from 'vitest'
import {
  escapeJson,
  visibleInJson,
  visibleLine,
  visibleLines,
  withoutControls,
} from '../../src/lib/control-characters.ts'

const every = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => String.fromCharCode(from + index))
const C0_AND_C1 = [...every(0x00, 0x1f), ...every(0x7f, 0x9f)]
const BIDI = ['\u061c', '\u200e', '\u200f', ...every(0x202a, 0x202e), ...every(0x2066, 0x2069)]
const SEPARATORS = ['\u2028', '\u2029']

describe('a line for a terminal', () => {
  test.each([...C0_AND_C1, ...BIDI, ...SEPARATORS])('shows %j escaped', character => {
    const shown = visibleLine(`a${character}b`)
    expect(shown).toBe(`a\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}b`)
  })

  test('keeps everything that stands for itself', () => {
    const text = 'Größe 日本語 שלום 👩‍👩‍👧 \u00a0 ~'
    expect(visibleLine(text)).toBe(text)
  })

  test('of several lines keeps its line breaks only', () => {
    expect(visibleLines('one\ntwo\r\u001b[2J')).toBe('one\ntwo\\u000d\\u001b[2J')
  })
})

describe('JSON that is printed', () => {
  test('means the same, and holds no character that a terminal obeys', () => {
    const value = { text: [...C0_AND_C1, ...BIDI, ...SEPARATORS, '\\', '"'].join('x') }
    const printed = escapeJson(JSON.stringify(value))
    expect(JSON.parse(printed)).toEqual(value)
    expect(visibleLine(printed)).toBe(printed)
  })

  test('can be made to show those characters after parsing', () => {
    const parsed = JSON.parse(visibleInJson(JSON.stringify({ text: 'a\\\u202eb\u009b' })))
    expect(parsed).toEqual({ text: 'a\\\\u202eb\\u009b' })
  })
})

describe('a text from outside', () => {
  test.each([
    ['tab and line breaks become spaces', 'a\tb\nc\r\nd\re\u2028f\u0085g', 'a b c d e f g'],
    ['the rest of C0 and C1 is dropped', 'a\u0000\u0007\u001b[31mb\u007f\u009b2J', 'a[31mb2J'],
    ['all else is kept', 'Größe 日本 👍', 'Größe 日本 👍'],
  ])('is kept without control characters: %s', (_, text, kept) => {
    expect(withoutControls(text)).toBe(kept)
  })
})
