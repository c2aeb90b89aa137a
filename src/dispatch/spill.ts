import type { Clock } from '../lib/clock.ts'
import type { LaneStore, Spill } from '../store/port/lanes.ts'
import type { Lease } from '../store/port/leases.ts'
import type { Assignment, Slot } from './assignment.ts'
import type { Destination } from './destination.ts'
import type { FencedWrites } from './fenced-writes.ts'
import type { Item } from './lane.ts'

/**
 * Events that go from memory to the backlog in one write. The events of a lane are added in order, starting with the unacknowledged ones
 * in memory. So the backlog never holds an event without the earlier unacknowledged ones of its lane, and after a crash nothing in the
 * backlog overtakes events that are read again from the log.
 */
export interface SpillBatch {
  /** Resolves with the write; false: some were not written, because their partition is not ours any more or the dispatcher stopped. */
  readonly written: Promise<boolean>
  /** Its slot is released when the event is written. */
  add(owner: SpillOwner, item: Pick<Item, 'event' | 'slot'>, assignment: Assignment): void
  /** It contains events of this lane, so later ones must not stay in memory. */
  has(owner: SpillOwner, orderKey: string): boolean
  /** The write waits for an earlier write of the same lane. */
  after(earlier: Promise<unknown>): void
  write(): Promise<boolean>
}

/** The destination whose events are spilled; it is told when a write begins and ends. */
export interface SpillOwner {
  readonly id: string
  readonly kind: Destination['kind']
  spilling(): void
  spilled(): void
}

/** Rows in one write. A larger write would block an embedded store, and so its process, for too long. */
const ROWS = 2_000

interface Entry {
  readonly spill: Spill
  readonly slot: Slot | null
  readonly assignment: Assignment
}

export function createSpillBatch(deps: {
  lanes: Pick<LaneStore, 'spill'>
  fenced: FencedWrites
  clock: Clock
}): SpillBatch {
  const owners = new Map<SpillOwner, Set<string>>()
  const items: Entry[] = []
  const earlier = new Set<Promise<unknown>>()
  const { promise: written, resolve } = Promise.withResolvers<boolean>()

  async function write(): Promise<boolean> {
    if (items.length === 0) {
      resolve(true)
      return true
    }
    await Promise.all(earlier)
    let done = true
    for (let from = 0; from < items.length; from += ROWS) {
      const part = items.slice(from, from + ROWS)
      const assignments = new Set(part.map(({ assignment }) => assignment))
      const lane = { nextAt: deps.clock.now(), attempt: 0 }
      const kept = await deps.fenced.write('events to spill', assignments, leases =>
        deps.lanes.spill(rowsOf(part, leases), lane, { leases: [...leases.values()] }),
      )
      for (const { spill, slot, assignment } of part)
        if (slot && kept.has(assignment)) assignment.release(slot, spill.destination)
      done = done && kept.size === assignments.size
    }
    resolve(done)
    for (const owner of owners.keys()) owner.spilled()
    return done
  }

  const rowsOf = (part: readonly Entry[], leases: ReadonlyMap<Assignment, Lease>) =>
    part.flatMap(({ spill, assignment }) => (leases.has(assignment) ? [spill] : []))

  return {
    written,
    add(owner, { event, slot }, assignment) {
      let lanes = owners.get(owner)
      if (!lanes) {
        lanes = new Set()
        owners.set(owner, lanes)
        owner.spilling()
      }
      lanes.add(event.orderKey)
      const spill = { destination: owner.id, endpoint: owner.kind === 'endpoint', event, origin: 'live' as const }
      items.push({ spill, slot, assignment })
    },
    has: (owner, orderKey) => owners.get(owner)?.has(orderKey) ?? false,
    after: promise => void earlier.add(promise),
    write,
  }
}
