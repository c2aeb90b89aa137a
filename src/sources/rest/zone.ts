/** Times of day in a zone: `UTC`, `+08:00`, or a name such as `Europe/Berlin`. */

const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known) return known
  const format = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone: zone, hourCycle: 'h23', era: 'short' },
    ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
  })
  formats.set(zone, format)
  return format
}

/** How far the zone is ahead of UTC at an instant, milliseconds. */
export function offsetAt(zone: string, at: number): number {
  if (zone === 'UTC') return 0
  const second = Math.floor(at / 1000) * 1000
  const parts = new Map(
    formatOf(zone)
      .formatToParts(second)
      .map(({ type, value }) => [type, value]),
  )
  const [year = 0, month = 1, ...rest] = ['year', 'month', 'day', 'hour', 'minute', 'second'].map(part =>
    Number(parts.get(part as Intl.DateTimeFormatPartTypes)),
  )
  const [day = 1, hour = 0, minute = 0, seconds = 0] = rest
  return Date.UTC(year, month - 1, day, hour, minute, seconds) - second
}

/**
 * The instant of a local time, given as if it were UTC. When clocks go back an hour exists twice, and the first one is taken; when they go
 * forward an hour is missing, and times in it are read by the offset before.
 */
export function instantOf(zone: string, local: number): number {
  const before = local - offsetAt(zone, local - DAY)
  const after = local - offsetAt(zone, local + DAY)
  return [before, after].find(at => at + offsetAt(zone, at) === local) ?? before
}

/** By how much the zone's clocks change within a day of the instant, milliseconds; 0 nearly always. */
export const shiftNear = (zone: string, at: number): number =>
  Math.abs(offsetAt(zone, at + DAY) - offsetAt(zone, at - DAY))

const DAY = 86_400_000
