import { describe, expect, test } from 'vitest'
import { filterTexts, tickOf, toleranceOf } from '../../../src/sources/rest/rest-times.ts'
import { instantOf, offsetAt } from '../../../src/sources/rest/zone.ts'

const BERLIN = 'Europe/Berlin'
const AT = Date.parse('2026-03-02T10:15:30.250Z')
const times = { format: 'rfc3339', zone: 'UTC', precision: '1s', exclusive: false } as const

describe('the bounds of a window', () => {
  test.each([
    [{}, '2026-03-02T10:15:30Z', '2026-03-02T10:15:31Z'],
    [{ precision: '1ms' }, '2026-03-02T10:15:30.250Z', '2026-03-02T10:15:30.250Z'],
    [{ precision: '1m' }, '2026-03-02T10:15:00Z', '2026-03-02T10:16:00Z'],
    [{ exclusive: true }, '2026-03-02T10:15:29Z', '2026-03-02T10:15:32Z'],
    [{ zone: BERLIN }, '2026-03-02T11:15:30+01:00', '2026-03-02T11:15:31+01:00'],
    [{ zone: '-03:30' }, '2026-03-02T06:45:30-03:30', '2026-03-02T06:45:31-03:30'],
    [{ format: 'local', zone: BERLIN }, '2026-03-02T11:15:30', '2026-03-02T11:15:31'],
    [{ format: 'sql' }, '2026-03-02 10:15:30', '2026-03-02 10:15:31'],
    [{ format: 'rfc2822' }, 'Mon, 02 Mar 2026 10:15:30 +0000', 'Mon, 02 Mar 2026 10:15:31 +0000'],
    [{ format: 'epoch-seconds' }, '1772446530', '1772446531'],
    [{ format: 'epoch-milliseconds', precision: '1ms' }, '1772446530250', '1772446530250'],
    [{ format: 'date' }, '2026-03-02', '2026-03-04'],
  ] as const)('as %j are rounded outwards', (changes, from, to) => {
    expect(filterTexts({ ...times, ...changes }, { from: AT, to: AT })).toEqual({ from, to })
  })

  test('as days hold every instant of their window in the zone of the API', () => {
    const day = { ...times, format: 'date', precision: '1d' } as const
    for (const zone of ['UTC', 'Asia/Tokyo', 'America/Los_Angeles'])
      for (let hour = 0; hour < 24; hour += 1) {
        const at = Date.UTC(2026, 2, 2, hour)
        const local = new Date(at + offsetAt(zone, at)).toISOString().slice(0, 10)
        const { from, to } = filterTexts({ ...day, zone }, { from: at, to: at })
        expect(from <= local && local < to).toBe(true)
      }
  })

  test('as local times hold the hour that exists twice when clocks go back, whichever one the API means', () => {
    const local = { ...times, format: 'local', zone: BERLIN } as const
    // 2026-10-25: 03:00 becomes 02:00 at 01:00 UTC.
    const second = Date.parse('2026-10-25T01:30:00Z')
    const { from, to } = filterTexts(local, { from: second, to: second + 1000 })
    expect([from, to]).toEqual(['2026-10-25T02:30:00', '2026-10-25T03:30:01'])
    expect(instantOf(BERLIN, Date.parse(`${from}Z`))).toBeLessThanOrEqual(second - 3_600_000)
    expect(toleranceOf(local)).toBeGreaterThan(3_600_000)
  })

  test('have the tick of their format', () => {
    expect([tickOf(times), tickOf({ ...times, format: 'date' })]).toEqual([1000, 86_400_000])
  })
})

describe('local times', () => {
  test('are the instants that have them, at every hour of a year', () => {
    for (const zone of [BERLIN, 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe'])
      for (let at = Date.UTC(2026, 0, 1); at < Date.UTC(2027, 0, 1); at += 7 * 3_600_000) {
        const local = at + offsetAt(zone, at)
        const back = instantOf(zone, local)
        // In the hour that exists twice the first one is taken.
        expect(back + offsetAt(zone, back)).toBe(local)
        expect(at - back === 0 || (at - back > 0 && at - back <= 3_600_000)).toBe(true)
      }
  })

  test('in the hour that does not exist when clocks go forward are read by the offset before', () => {
    expect(new Date(instantOf(BERLIN, Date.UTC(2026, 2, 29, 2, 30))).toISOString()).toBe('2026-03-29T01:30:00.000Z')
  })
})
