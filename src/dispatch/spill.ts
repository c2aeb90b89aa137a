import type { Clock } from '../lib/clock.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { LaneStore, Spill } from '../store/port/lanes.ts'
import type { Slot } from './assignment.ts'
import type { Destination } from './destination.ts'
import type { Persist } from './persist.ts'

/**
 * Events that go from memory to the backlog in one write. The events of a lane are added in order, starting with the unacknowledged ones
 * in memory. So the backlog never holds an event without the earlier unacknowledged ones of its lane, and after a crash nothing in the
 * backlog overtakes events that are read again from the log.
 */
export interface SpillBatch {
  /** Resolves with the write; false: the dispatcher stopped before it succeeded. */
  readonly written: Promise<boolean>
  /** `slot` is released when the event is written. */
  add(owner: SpillOwner, event: EventRecord, slot: Slot | null): void
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

export function createSpillBatch(deps: {
  lanes: Pick<LaneStore, 'spill'>
  persist: Persist
  clock: Clock
}): SpillBatch {
  const owners = new Map<SpillOwner, Set<string>>()
  const spills: Spill[] = []
  const slots: { readonly slot: Slot; readonly id: string }[] = []
  const earlier = new Set<Promise<unknown>>()
  const { promise: written, resolve } = Promise.withResolvers<boolean>()

  async function write(): Promise<boolean> {
    if (spills.length === 0) {
      resolve(true)
      return true
    }
    await Promise.all(earlier)
    let done = true
    for (let from = 0; from < spills.length && done; from += ROWS) {
      const rows = spills.slice(from, from + ROWS)
      const lane = { nextAt: deps.clock.now(), attempt: 0 }
      done = await deps.persist.did('events to spill', () => deps.lanes.spill(rows, lane))
    }
    if (done) for (const { slot, id } of slots) slot.assignment.release(slot, id)
    resolve(done)
    for (const owner of owners.keys()) owner.spilled()
    return done
  }

  return {
    written,
    add(owner, event, slot) {
      let lanes = owners.get(owner)
      if (!lanes) {
        lanes = new Set()
        owners.set(owner, lanes)
        owner.spilling()
      }
      lanes.add(event.orderKey)
      spills.push({ destination: owner.id, endpoint: owner.kind === 'endpoint', event, origin: 'live' })
      if (slot) slots.push({ slot, id: owner.id })
    },
    has: (owner, orderKey) => owners.get(owner)?.has(orderKey) ?? false,
    after: promise => void earlier.add(promise),
    write,
  }
}
