import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { excerpt } from '../../../src/destinations/webhooks/excerpt.ts'

const kept = (body: string) => excerpt([Buffer.from(body)], undefined)

describe('an excerpt of an answer', () => {
  test('shows neither secrets nor email addresses', () => {
    expect(kept('{"api_key": "abc123", "error": "no such user bob@example.com"}')).toBe(
      '{"api_key": [secret], "error": "no such user [email]"}',
    )
  })

  // A pattern that costs more than in proportion takes a second for 16 KiB of one of these, and hours for a megabyte.
  test.each(['x', '-', 'token', 'a.', 'x@', '"', 'secret='])('of a megabyte of %j comes to an end', unit => {
    const args = [join(import.meta.dirname, 'redact-a-megabyte.ts'), unit]
    const { status, stderr } = spawnSync(process.execPath, args, { timeout: 20_000 })
    expect({ status, stderr: String(stderr) }).toEqual({ status: 0, stderr: '' })
  })
})
