import type { Random } from '../../src/sandbox/random.ts'
import type { VendorKind } from './shop.ts'
import type { Trouble } from './strikes.ts'

/** What a run is made of: how the world is built and how bad it gets. All of it follows from the seed, unless a smaller plan is asked for. */
export interface Plan {
  /** `solo`: the embedded store and log. `pair`: two processes on one database. `cluster`: Kafka besides. */
  readonly mode: 'solo' | 'pair' | 'cluster'
  readonly processes: number
  readonly partitions: number
  readonly vendors: readonly VendorKind[]
  /** The real sources on a simulated network; else snapshots come over the port of a source. */
  readonly wire: boolean
  readonly pageSize: number
  readonly mostOrders: number
  /** Orders each vendor had before we came to know it. */
  readonly past: number
  /** The vendor refuses windows with several pages at these odds, until it is told to behave otherwise. */
  readonly tooLarge: number
  /** The vendor announces what changes, and the program reads it at once. */
  readonly announces: boolean
  /** Some changes leave the update time alone, so that only a reconciliation shows them. */
  readonly silent: boolean
  /** Entries that the log hands over at a time, at most. */
  readonly batch: number
  readonly receivers: number
  readonly queueLimit: number
  readonly stormMs: number
  /** Milliseconds between two changes at a vendor, and between two strikes, about. */
  readonly changeEveryMs: number
  readonly strikeEveryMs: number
  readonly pollEveryMs: number
  /** How late the index behind a vendor's list may be; and how far back every poll looks, which is longer. */
  readonly lagMs: number
  readonly overlapMs: number
  /** Refunds may come on record minutes after the fact, or never. */
  readonly slowRecords: boolean
  readonly retries: readonly number[]
  /** The power may fail, which undoes what was written without waiting for the disk. The embedded store only. */
  readonly power: boolean
  /** How long events are kept, milliseconds; null: for good. */
  readonly retentionMs: number | null
  readonly jumps: boolean
  /** How strong faults are in this run, 0 to 1. */
  readonly wildness: number
  /** A process dies or is stopped at about every so many calls; 0: never so. */
  readonly mishapEvery: number
  /** The vendor is down from our first start on for so long, and made nothing before; reading begins an overlap before that start. 0: it is up. */
  readonly firstDownMs: number
  /** How far the `Date` of the vendor's answers is from the clock of its orders. */
  readonly dateOffMs: number
  /** Rows that the vendor counts besides those it lists, always. */
  readonly phantoms: number
  /** Orders that break every list that holds them, until an operator of the vendor's sees to it. */
  readonly cursed: number
  /** Kinds of trouble that are left out. */
  readonly without: readonly Trouble[]
}

export function makePlan(random: Random): Plan {
  const mode = random.pick(['solo', 'solo', 'pair', 'cluster', 'cluster'] as const)
  const vendors = random.pick([
    ['pages'],
    ['cursor'],
    ['follow'],
    ['pages', 'cursor'],
    ['pages', 'follow'],
    ['cursor', 'follow'],
  ] as const)
  const long = random.chance(0.06)
  const lagMs = random.pick([4_000, 15_000, 15_000, 60_000] as const)
  const firstDownMs = random.chance(0.12) ? random.between(20, 200) * 1000 : 0
  const plan = {
    mode,
    processes: mode === 'solo' ? 1 : mode === 'pair' ? 2 : random.pick([1, 2, 2, 3] as const),
    partitions: mode === 'cluster' ? random.between(1, 4) : 1,
    vendors,
    wire: random.chance(0.3),
    pageSize: random.pick([1, 1, 2, 10] as const),
    mostOrders: random.pick([2, 3, 8, long ? 30 : 8] as const),
    past: firstDownMs > 0 ? 0 : random.pick([0, 3, 6, 25, 25] as const),
    tooLarge: random.pick([0, 0, 0.9] as const),
    announces: random.chance(0.35),
    silent: false,
    batch: random.pick([1, 3, 40] as const),
    receivers: random.between(1, 5),
    queueLimit: random.pick([1, 3, 20, 1000] as const),
    stormMs: long ? random.between(90, 300) * 1000 : random.between(10, 60) * 1000,
    changeEveryMs: random.pick([700, 2_000, 5_000] as const),
    strikeEveryMs: random.pick([1_500, 4_000, 8_000] as const),
    pollEveryMs: random.pick([3_000, 5_000, 10_000] as const),
    lagMs,
    overlapMs: lagMs + 25_000,
    slowRecords: random.chance(0.12),
    retries: random.pick([
      [300, 1_000],
      [2_000, 5_000, 10_000],
      [1_000, 5_000, 20_000, 60_000],
    ] as const),
    power: mode === 'solo' && random.chance(0.4),
    jumps: random.chance(0.12),
    wildness: random.pick([0.2, 0.6, 1] as const),
    mishapEvery: random.pick([0, 100, 400, 2_000] as const),
    firstDownMs,
    dateOffMs: random.pick([0, 0, 0, 0, 0, 0, -10_800_000, 10_800_000] as const),
    phantoms: random.pick([0, 0, 0, 0, 0, 0, 1, 2] as const),
    cursed: random.pick([0, 0, 0, 0, 1, 2] as const),
    without: [],
  } as const
  // A clock of ours that is set while the vendor's is wrong leaves no clock at all.
  const jumps = plan.jumps && plan.dateOffMs === 0
  // What a power failure undoes is told from the changes of tables, and what retention removed is kept by a trigger: not both.
  const retentionMs = random.pick([null, null, 4_000, 30_000] as const)
  return { ...plan, jumps, retentionMs: plan.power ? null : retentionMs, silent: random.chance(0.15) }
}
