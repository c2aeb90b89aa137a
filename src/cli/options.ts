import { Instant } from '../../schemas/api-requests.ts'
import { Duration } from '../../schemas/config.ts'
import { systemClock, timestamp } from '../lib/clock.ts'
import type { CommandOption } from './command.ts'
import { usage } from './usage.ts'

/** Options that several commands take. */

/** A time, or how long ago: `2h` is two hours ago. */
export const instantOption = (flags: string, text: string): CommandOption => ({
  flags,
  text,
  parse(value) {
    const ago = Duration.safeParse(value)
    if (ago.success) return timestamp(systemClock().now() - ago.data)
    if (Instant.safeParse(value).success) return value
    const [name] = flags.split(' ')
    throw usage(`${name}: an instant (2026-03-02T10:15:30Z), a date (2026-03-02) or how long ago (2h), not "${value}"`)
  },
})

/** A whole number from 1 to `most`. */
export const countOption = (flags: string, text: string, most: number): CommandOption => ({
  flags,
  text,
  parse(value) {
    const count = Number(value)
    if (Number.isInteger(count) && count >= 1 && count <= most) return count
    const [name] = flags.split(' ')
    throw usage(`${name}: expected a whole number from 1 to ${most}, found "${value}"`)
  },
})

/** An option that may repeat. */
export const repeatedOption = (flags: string, text: string): CommandOption => ({
  flags,
  text: `${text}; may repeat`,
  parse: (value, before = []) => [...before, value],
})

/** An option that may repeat, or take a comma list. */
const listOption = (flags: string, text: string): CommandOption => ({
  flags,
  text: `${text}; may repeat, or be a comma list`,
  parse: (value, before = []) => [...before, ...value.split(',').map(one => one.trim())],
})

export const SINCE = instantOption('--since <when>', 'observed at or after: a time, a date, or how long ago (2h)')
export const UNTIL = instantOption('--until <when>', 'observed before')
export const TYPES = listOption('--type <type>', 'event type, such as order.paid')
export const CONNECTIONS = listOption('--connection <id>', 'only this connection')
export const CONNECTION: CommandOption = { flags: '--connection <id>', text: 'only this connection' }
export const DESTINATION: CommandOption = { flags: '--destination <id>', text: 'only this handler or endpoint' }
export const ORDER: CommandOption = { flags: '--order <order>', text: "the order's number or the vendor's order id" }
