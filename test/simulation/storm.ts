import type { Random } from '../../src/sandbox/random.ts'
import type { Weather } from './port.ts'
import type { Mood } from './receiver.ts'
import type { Manners } from './vendor.ts'

/** What a run is made of: how the world is built and how bad it gets. All of it follows from the seed. */
export interface Plan {
  /** `solo`: the embedded store and log. `pair`: two processes on one database. `cluster`: Kafka besides. */
  readonly mode: 'solo' | 'pair' | 'cluster'
  readonly processes: number
  readonly partitions: number
  readonly vendors: readonly ('pages' | 'cursor' | 'follow')[]
  readonly pageSize: number
  readonly mostOrders: number
  readonly queueLimit: number
  readonly stormMs: number
  /** Milliseconds between two changes at a vendor, about. */
  readonly changeEveryMs: number
  readonly jumps: boolean
  /** How strong faults are in this run, 0 to 1. */
  readonly wildness: number
  /** A process dies or is stopped at about every so many calls; 0: never so. */
  readonly mishapEvery: number
}

export function makePlan(random: Random): Plan {
  const mode = random.pick(['solo', 'solo', 'pair', 'cluster', 'cluster'] as const)
  const vendors = random.pick([
    ['pages'],
    ['cursor'],
    ['pages', 'cursor'],
    ['pages', 'follow'],
    ['cursor', 'follow'],
  ] as const)
  return {
    mode,
    processes: mode === 'solo' ? 1 : mode === 'pair' ? 2 : random.between(1, 3),
    partitions: mode === 'cluster' ? random.between(1, 4) : 1,
    vendors,
    pageSize: random.pick([1, 2, 3, 10] as const),
    mostOrders: random.pick([3, 8, 30] as const),
    queueLimit: random.pick([1, 3, 20, 1000] as const),
    stormMs: random.between(3, 8) * 60_000,
    changeEveryMs: random.pick([1_500, 4_000, 10_000] as const),
    jumps: random.chance(0.2),
    wildness: random.pick([0.2, 0.6, 1] as const),
    mishapEvery: random.pick([0, 150, 600, 3_000] as const),
  }
}

export function worsen(weather: Weather, random: Random, wildness: number): void {
  weather.lost = random.pick([0, 0.01, 0.05, 0.3] as const) * wildness
  weather.torn = random.pick([0, 0.01, 0.05, 0.2] as const) * wildness
  weather.usual = random.pick([1, 3, 20, 80] as const)
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

export const calmManners = (): Manners => ({
  lost: 0,
  torn: 0,
  usual: 10,
  worst: 50,
  limited: 0,
  refused: 0,
  tooLarge: 0,
  wrongPage: 0,
  late: 0,
  blind: 0,
})
