import { describe, expect, test } from 'vitest'
import { parseJson } from '../../../src/lib/exact-json.ts'

describe('case 43: JSON that is broken in a way with one meaning', () => {
  test.each([
    ['a raw line break in a string', '{"a":"x\ny"}', { a: 'x\ny' }],
    ['a raw tab, NUL and ESC', '{"a":"\t\u0000\u001b"}', { a: '\t\u0000\u001b' }],
    ['one in a name', '{"a\r\nb":1}', { 'a\r\nb': 1 }],
    ['one beside escapes', '{"a":"\\"q\\"\n\\\\","b":"\\n"}', { a: '"q"\n\\', b: '\n' }],
    ['a byte order mark', '\ufeff{"a":1}', { a: 1 }],
    [
      'both, and a number beyond 2^53',
      '\ufeff{"a":"x\ny","id":12345678901234567890}',
      { a: 'x\ny', id: '12345678901234567890' },
    ],
  ])('is read: %s', (_, text, expected) => expect(parseJson(text)).toEqual(expected))

  test.each([
    ['a control character behind a backslash', '{"a":"x\\\ny"}'],
    ['a string without an end', '{"a":"x\ny'],
    ['a quote inside a string', '{"a":"x"y"}'],
    ['a control character between the values', '{"a":1,\u0001"b":2}'],
    ['nothing but a mark', '\ufeff'],
  ])('is refused without quoting it: %s', (_, text) => {
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ code: 'vendor.not_json', intent: 'retry' }))
  })

  test('16 MiB of it take no more than a moment', () => {
    const text = JSON.stringify(Array.from({ length: 200_000 }, (_, i) => `value number ${i} and some more`)).replace(
      '0',
      '\n',
    )
    expect(parseJson(text)).toHaveLength(200_000)
  })
})
