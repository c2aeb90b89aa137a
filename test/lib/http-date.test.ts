import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { parseHttpDate } from '../../src/lib/http-date.ts'
import { retryAfterMs } from '../../src/lib/retry-after.ts'

const NOW = Date.UTC(2026, 2, 2, 10, 0, 0)
const SECOND = 1000

describe('an HTTP date', () => {
  test.each([
    ['IMF-fixdate', 'Mon, 02 Mar 2026 10:00:05 GMT'],
    ['RFC 850', 'Monday, 02-Mar-26 10:00:05 GMT'],
    ['RFC 850 with a short day and a year of four digits', 'Mon, 02-Mar-2026 10:00:05 GMT'],
    ['asctime', 'Mon Mar  2 10:00:05 2026'],
    ['asctime with a day of two digits', 'Mon Mar 02 10:00:05 2026'],
    ['UTC for GMT', 'Mon, 02 Mar 2026 10:00:05 UTC'],
    ['lower case, with blanks around it', '  mon, 02 mar 2026 10:00:05 gmt '],
    ['given twice', 'Mon, 02 Mar 2026 10:00:05 GMT, Mon, 02 Mar 2026 11:00:00 GMT'],
    ['of the wrong day of the week', 'Sun, 02 Mar 2026 10:00:05 GMT'],
  ])('in the form %s is read', (_, text) => {
    expect(parseHttpDate(text, NOW)).toBe(NOW + 5 * SECOND)
  })

  test.each([
    'soon',
    '',
    '2026-03-02T10:00:05Z',
    'Mon, 30 Feb 2026 10:00:05 GMT',
    'Mon, 02 Mar 2026 24:00:05 GMT',
    'Mon, 02 Mar 2026 10:61:05 GMT',
    'Mon, 02 Mar 2026 10:00:61 GMT',
    'Mon, 02 Mxr 2026 10:00:05 GMT',
    'Mon, 02 Mar 2026 10:00:05',
    'Mon, 02 Mar 2026 10:00:05 PST',
    'Mon, 02 Mar 2026 10:00:05 GMT and more',
  ])('is not %j', text => {
    expect(parseHttpDate(text, NOW)).toBeNull()
  })

  test('with a leap second is the last second of its minute', () => {
    expect(parseHttpDate('Mon, 02 Mar 2026 09:59:60 GMT', NOW)).toBe(NOW - SECOND)
  })

  test('with a year of two digits that would be more than 50 years ahead is in the past', () => {
    expect(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT', NOW)).toBe(Date.UTC(1994, 10, 6, 8, 49, 37))
    expect(parseHttpDate('Sunday, 06-Nov-70 08:49:37 GMT', NOW)).toBe(Date.UTC(2070, 10, 6, 8, 49, 37))
  })
})

/** Every spelling of case 49 that asks for the same rest. */
const SAME_REST = [
  { 'retry-after': '4' },
  { 'retry-after': '4.0' },
  { 'retry-after': ' 4 ' },
  { 'retry-after': '4, 60' },
  { 'retry-after': 'Mon, 02 Mar 2026 10:00:04 GMT' },
  { 'retry-after': 'Monday, 02-Mar-26 10:00:04 GMT' },
  { 'retry-after': 'Mon Mar  2 10:00:04 2026' },
  // The sender's clock is an hour ahead of ours.
  { 'retry-after': 'Mon, 02 Mar 2026 11:00:04 GMT', date: 'Mon, 02 Mar 2026 11:00:00 GMT' },
  { 'retry-after': 'Mon Mar  2 11:00:04 2026', date: 'Mon Mar  2 11:00:00 2026' },
]

describe('case 49: Retry-After', () => {
  test.each(SAME_REST)('%j asks for 4 s', headers => {
    expect(retryAfterMs(headers, NOW)).toBe(4 * SECOND)
  })

  test.each([
    [{ 'retry-after': '1.5' }, 1_500],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': 'Mon, 02 Mar 2026 09:00:00 GMT' }, 0],
    [{ 'retry-after': '9'.repeat(400) }, 3_600_000],
    [{ 'retry-after': 'Tue, 03 Mar 2026 10:00:00 GMT' }, 3_600_000],
    [{ 'retry-after': '-4' }, null],
    [{ 'retry-after': 'soon' }, null],
    [{ 'retry-after': '4 s' }, null],
    [{ 'retry-after': '' }, null],
    [{}, null],
  ])('%j asks for %j ms', (headers, ms) => {
    expect(retryAfterMs(headers, NOW)).toBe(ms)
  })

  test.each(['America/New_York', 'Asia/Kolkata', 'Pacific/Auckland'])(
    'asks for the same rest on a machine in %s',
    zone => {
      const script = `
      import { retryAfterMs } from ${JSON.stringify(import.meta.resolve('../../src/lib/retry-after.ts'))}
      const inputs = ${JSON.stringify(SAME_REST)}
      console.log(JSON.stringify([new Date(${NOW}).getTimezoneOffset() !== 0, ...inputs.map(one => retryAfterMs(one, ${NOW}))]))`
      const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
        env: { ...process.env, TZ: zone },
        encoding: 'utf8',
      })
      expect(JSON.parse(printed)).toEqual([true, ...SAME_REST.map(() => 4 * SECOND)])
    },
  )
})
