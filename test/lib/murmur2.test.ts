import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { keyHash, murmur2 } from '../../src/lib/murmur2.ts'

describe('partition', () => {
  test.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('murmur2 of %j is what Kafka’s own clients compute', (text, hash) => {
    expect(murmur2(new TextEncoder().encode(text))).toBe(hash)
  })

  test('a key hash is an integer from 0 to 2³¹ − 1, and the same for the same key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), key => {
        const hash = keyHash(key)
        expect(Number.isInteger(hash) && hash >= 0 && hash < 2 ** 31).toBe(true)
        expect(keyHash(key)).toBe(hash)
      }),
    )
  })
})
