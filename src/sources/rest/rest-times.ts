import type { FilterFormat } from '../../../schemas/vendor/rest.ts'
import type { Window } from '../source.ts'
import { offsetAt, shiftNear } from './zone.ts'

/** The times of a window as an API wants them in its filters. */

const DAY = 86_400_000
const PRECISIONS = { '1ms': 1, '1s': 1000, '1m': 60_000, '1d': DAY } as const

export interface FilterTimes {
  readonly format: FilterFormat
  readonly zone: string
  readonly precision: keyof typeof PRECISIONS
  readonly exclusive: boolean
}

/** Whether the text names its zone, or none matters. */
const NAMES_ZONE: Readonly<Record<FilterFormat, boolean>> = {
  rfc3339: true,
  local: false,
  sql: false,
  date: false,
  rfc2822: true,
  'epoch-seconds': true,
  'epoch-milliseconds': true,
}

/** What the filter can tell apart, milliseconds. */
export const tickOf = ({ format, precision }: FilterTimes): number => (format === 'date' ? DAY : PRECISIONS[precision])

/**
 * The bounds as texts. They are rounded outwards, by one tick more where the API leaves out its own bounds, and by the hour that exists twice where
 * local times are sent near a change of the clocks.
 */
export function filterTexts(times: FilterTimes, { from, to }: Window): { readonly from: string; readonly to: string } {
  const tick = tickOf(times)
  const more = times.exclusive ? tick : 0
  // A day as an upper bound may mean its beginning.
  const last = times.format === 'date' ? tick : 0
  const shift = (at: number) => (NAMES_ZONE[times.format] ? 0 : shiftNear(times.zone, at))
  return {
    from: textOfTime(times, Math.floor((from - shift(from)) / tick) * tick - more),
    to: textOfTime(times, Math.ceil((to + shift(to)) / tick) * tick + more + last),
  }
}

/** By how much an order may be older than the window it is listed in. */
export function toleranceOf(times: FilterTimes): number {
  const tick = tickOf(times)
  // Days begin at another hour in another zone; clocks change by an hour.
  const zone = tick === DAY ? DAY : NAMES_ZONE[times.format] || times.zone === 'UTC' ? 0 : 3_600_000
  return Math.max(1000, 2 * tick) + zone
}

function textOfTime({ format, zone, precision }: FilterTimes, at: number): string {
  const local = new Date(at + offsetAt(zone, at)).toISOString()
  const length = precision === '1ms' ? 23 : 19
  switch (format) {
    case 'rfc3339':
      return zone === 'UTC' ? `${local.slice(0, length)}Z` : local.slice(0, length) + offsetText(offsetAt(zone, at))
    case 'local':
      return local.slice(0, length)
    case 'sql':
      return local.slice(0, length).replace('T', ' ')
    case 'date':
      return local.slice(0, 10)
    case 'rfc2822':
      return new Date(at).toUTCString().replace('GMT', '+0000')
    case 'epoch-seconds':
      return String(Math.floor(at / 1000))
    case 'epoch-milliseconds':
      return String(at)
  }
}

function offsetText(offset: number): string {
  const minutes = Math.abs(offset) / 60_000
  const two = (number: number) => String(Math.floor(number)).padStart(2, '0')
  return `${offset < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`
}
