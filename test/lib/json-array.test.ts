import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mayHoldLongNumber } from '../../src/lib/exact-json.ts'
import { endOfValue, walkArray } from '../../src/lib/json-array.ts'

function elementsOf(text: string, path: readonly string[]): string[] | null {
  const found: string[] = []
  const span = walkArray(text, path, at => {
    const end = endOfValue(text, at)
    if (end > 0) found.push(text.slice(at, end))
    return end
  })
  return span && found
}

describe('the elements of an array in a JSON text', () => {
  test('are found whatever stands in and around them', () => {
    const values = fc.json()
    const row = fc.dictionary(fc.string(), fc.jsonValue())
    fc.assert(
      fc.property(fc.array(row), values, values, fc.constantFrom('', ' ', '\n\t'), (rows, before, after, blank) => {
        const list = rows.map(one => JSON.stringify(one, null, blank === ' ' ? 2 : 0))
        const text = `{"first":${before},${blank}"data"${blank}:{"list":${blank}[${list.join(`${blank},`)}${blank}]},"last":${after}}`
        expect(elementsOf(text, ['data', 'list'])).toEqual(list)
      }),
    )
  })

  test.each([
    ['the member occurs twice', '{"list":[{"a":1}],"list":[{"a":2}]}'],
    ['a member above it occurs twice', '{"data":{"list":[{}]},"data":{"list":[{}]}}'],
    ['a name has escapes', '{"\\u006cist":[{}],"list":[{}]}'],
    ['an element is no object', '{"list":[{},1]}'],
    ['a comma has nothing behind it', '{"list":[{},]}'],
    ['it is no array', '{"list":{"a":1}}'],
    ['there is none', '{"other":[{}]}'],
    ['the text ends in it', '{"list":[{"a":"b'],
    ['the text is no object', '[{"list":[{}]}]'],
    ['there is no text', ''],
  ])('are left alone where %s', (_, text) => {
    expect(elementsOf(text, ['list'])).toBeNull()
    expect(elementsOf(text, ['data', 'list'])).toBeNull()
  })
})

test('a long number is found exactly where the pattern for it finds one', () => {
  const pattern = /(?:[:[,\s]|^)-?[\d.]{16}/
  const piece = fc.oneof(
    fc.constantFrom('1234567890123456', '12345678.90123456', '123456789012345', '-', '"', ':', ',', '[', ' ', 'x', '.'),
    fc.integer().map(String),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
      const text = pieces.join('')
      expect(mayHoldLongNumber(text)).toBe(pattern.test(text))
    }),
    { numRuns: 2_000 },
  )
})
