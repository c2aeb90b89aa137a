const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const NAME = '[A-Za-z]{3,9}'
const CLOCK = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)'
/** The zone of every HTTP date, and other names for it that servers use. */
const ZONE = '(?:GMT|UTC|UT|Z|[+-]00:?00)'
/** A header given twice is joined with a comma; the first date counts. */
const END = '(?=\\s*(?:,|$))'

/** The three forms of RFC 9110: IMF-fixdate, RFC 850, asctime. The day of the week is not checked. */
const FORMS = [
  new RegExp(`^${NAME},\\s*(?<day>\\d{1,2}) (?<month>${NAME}) (?<year>\\d{4}) ${CLOCK} ${ZONE}${END}`, 'i'),
  new RegExp(`^${NAME},\\s*(?<day>\\d{1,2})-(?<month>${NAME})-(?<year>\\d{2}|\\d{4}) ${CLOCK} ${ZONE}${END}`, 'i'),
  new RegExp(`^${NAME}\\s+(?<month>${NAME})\\s+(?<day>\\d{1,2}) ${CLOCK} (?<year>\\d{4})(?: ${ZONE})?${END}`, 'i'),
]

/**
 * An HTTP date in milliseconds since the epoch; null: it is none. All three forms are GMT, whatever zone this machine is in
 * (`Date.parse` reads asctime dates in the machine's own zone). `now` decides the century of a year with two digits.
 */
export function parseHttpDate(text: string, now: number): number | null {
  const trimmed = text.trim()
  for (const form of FORMS) {
    const parts = form.exec(trimmed)?.groups
    if (parts) return instantOf(parts, now)
  }
  return null
}

function instantOf(parts: Readonly<Record<string, string>>, now: number): number | null {
  const { day = '', month = '', year = '', hour = '', minute = '', second = '' } = parts
  const monthIndex = MONTHS.indexOf(month.slice(0, 3).toLowerCase())
  const written = year.length === 2 ? fullYear(Number(year), now) : Number(year)
  // A leap second is the last second of its minute.
  const seconds = Math.min(Number(second), 59)
  const at = new Date(0)
  at.setUTCFullYear(written, monthIndex, Number(day))
  at.setUTCHours(Number(hour), Number(minute), seconds, 0)
  const isReal =
    monthIndex >= 0 &&
    at.getUTCMonth() === monthIndex &&
    at.getUTCDate() === Number(day) &&
    at.getUTCHours() === Number(hour) &&
    at.getUTCMinutes() === Number(minute) &&
    Number(second) <= 60
  return isReal ? at.getTime() : null
}

/** RFC 9110: a year with two digits that would be more than 50 years ahead is the last such year in the past. */
function fullYear(twoDigits: number, now: number): number {
  const present = new Date(now).getUTCFullYear()
  const year = present - (present % 100) + twoDigits
  return year > present + 50 ? year - 100 : year
}
