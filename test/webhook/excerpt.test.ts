import { describe, expect, test } from 'vitest'
import { excerpt } from '../../src/webhook/excerpt.ts'

const kept = (body: string) => excerpt([Buffer.from(body)], undefined)
const steps = (body: string) => {
  const begun = process.cpuUsage()
  kept(body)
  return process.cpuUsage(begun).user
}

describe('an excerpt of an answer', () => {
  test('shows neither secrets nor email addresses', () => {
    expect(kept('{"api_key": "abc123", "error": "no such user bob@example.com"}')).toBe(
      '{"api_key": [secret], "error": "no such user [email]"}',
    )
  })

  test.each(['x', '-', 'token', 'a.', 'x@', '"', 'secret='])(
    'of a full-size body of %j costs in proportion to its size',
    unit => {
      const body = (bytes: number) => unit.repeat(Math.ceil(bytes / unit.length)).slice(0, bytes)
      kept(body(16_384)) // compiled
      const [small, large] = [1, 2, 3].reduce<[number, number]>(
        ([a, b]) => [Math.min(a, steps(body(4_096))), Math.min(b, steps(body(16_384)))],
        [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
      )
      // Four times the size; a quadratic pattern costs sixteen times as much. A millisecond is below what can be told apart.
      expect(large).toBeLessThan(Math.max(small, 1_000) * 12)
    },
  )
})
