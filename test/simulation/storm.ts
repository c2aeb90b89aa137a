import type { Random } from '../../src/sandbox/random.ts'
import type { Weather } from './port.ts'
import type { Mood } from './receiver.ts'
import type { Manners } from './shop.ts'

/** How bad ports, vendors and receivers become when a storm touches them. `wildness`: 0 to 1. */

export function worsen(weather: Weather, random: Random, wildness: number): void {
  weather.lost = random.pick([0, 0.01, 0.05, 0.3] as const) * wildness
  weather.torn = random.pick([0, 0.01, 0.05, 0.2] as const) * wildness
  weather.usual = random.pick([1, 5, 40, 250] as const)
  weather.worst = random.pick([20, 500, 4_000, 20_000] as const)
}

export function worsenManners(manners: Manners, random: Random, wildness: number): void {
  worsen(manners, random, wildness)
  manners.limited = random.pick([0, 0.02, 0.3] as const) * wildness
  manners.refused = random.chance(0.1) ? 0.01 * wildness : 0
  manners.tooLarge = random.pick([0, 0.05, 0.3] as const) * wildness
  manners.wrongPage = random.pick([0, 0.03, 0.2] as const) * wildness
  manners.late = random.pick([0, 0.2, 0.8] as const)
  manners.blind = random.pick([0, 0.3, 0.9] as const) * wildness
}

export function spoilMood(mood: Mood, random: Random, wildness: number): void {
  mood.failing = random.pick([0, 0.1, 0.5, 1] as const) * wildness
  mood.hanging = random.pick([0, 0, 0.05, 0.5] as const) * wildness
  mood.deaf = random.pick([0, 0, 0.05, 0.3] as const) * wildness
  mood.givingUp = random.pick([0, 0, 0.02, 0.2] as const) * wildness
  mood.asksForRest = random.pick([0, 0, 0.05] as const) * wildness
  mood.gone = random.chance(0.1) ? 0.02 * wildness : 0
  mood.usualMs = random.pick([5, 50, 600] as const)
}
