import type { Plan } from './plan.ts'

// Storms that show a planted defect soon.

/** A long past on many pages, while much changes. */
export const LOOK_BACK: Partial<Plan> = {
  vendors: ['pages'],
  wire: false,
  pageSize: 1,
  past: 25,
  announces: false,
  changeEveryMs: 700,
}
/** A log that goes back while much is published to it. */
export const BACK: Partial<Plan> = {
  mode: 'cluster',
  processes: 2,
  partitions: 1,
  stormMs: 45_000,
  announces: true,
  changeEveryMs: 700,
  strikeEveryMs: 1_500,
  mostOrders: 8,
  jumps: false,
}
/** The polls of one vendor that counts its rows, with the shortest overlap, and nothing else that could tell its orders. */
export const POLLS: Partial<Plan> = {
  vendors: ['pages'],
  wire: false,
  lagMs: 4_000,
  overlapMs: 29_000,
  announces: false,
  jumps: false,
  firstDownMs: 0,
  dateOffMs: 0,
  phantoms: 0,
  cursed: 0,
}
export const COMEBACKS: Partial<Plan> = {
  mode: 'cluster',
  processes: 2,
  partitions: 2,
  receivers: 5,
  stormMs: 45_000,
  announces: true,
  changeEveryMs: 700,
  jumps: false,
}

/** A log that refuses partitions and records, while much is published. */
export const REFUSALS: Partial<Plan> = {
  mode: 'cluster',
  processes: 1,
  partitions: 2,
  changeEveryMs: 700,
  strikeEveryMs: 1_500,
}
/** Events are old as soon as they are told, and endpoints pause, so that much waits. */
export const PRUNED: Partial<Plan> = {
  retentionMs: 4_000,
  power: false,
  jumps: false,
  stormMs: 60_000,
  changeEveryMs: 700,
  strikeEveryMs: 1_500,
}
/** Changes that leave the update time alone, announced by nobody. */
export const SILENT: Partial<Plan> = {
  vendors: ['pages'],
  silent: true,
  announces: false,
  jumps: false,
  changeEveryMs: 700,
  stormMs: 45_000,
}

/** Known rows over the wire that are not understood for a moment without having changed, which the vendor announces. */
export const MOMENTS: Partial<Plan> = {
  mode: 'solo',
  processes: 1,
  partitions: 1,
  vendors: ['pages'],
  wire: true,
  pageSize: 10,
  announces: true,
  jumps: false,
  silent: false,
  cursed: 0,
  phantoms: 0,
  dateOffMs: 0,
  firstDownMs: 0,
  past: 6,
  mostOrders: 3,
  lagMs: 60_000,
  overlapMs: 85_000,
  pollEveryMs: 10_000,
  changeEveryMs: 5_000,
  strikeEveryMs: 8_000,
  mishapEvery: 0,
  wildness: 0.2,
  stormMs: 90_000,
  // A process that ends, and a poll that fails, forget all rows.
  without: [
    'crash',
    'stop',
    'power',
    'freeze',
    'comeback',
    'aim',
    'jump',
    'rebalance',
    'refusal',
    'evict',
    'back',
    'republish',
    'weather',
    'manners',
    'outage',
    'disk',
    'burst',
    'pause',
    'replay',
    'opening',
    'removal',
    'redrive',
  ],
}
