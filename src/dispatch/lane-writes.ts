import { createBatcher } from '../lib/batcher.ts'
import type { Clock } from '../lib/clock.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { LaneRow, LaneStore } from '../store/port/lanes.ts'
import type { Lease } from '../store/port/leases.ts'
import type { Assignment } from './assignment.ts'
import type { Destination } from './destination.ts'
import type { FencedWrites } from './fenced-writes.ts'
import type { Persist } from './persist.ts'

/** The writes to the store for the lanes of one destination, batched over many lanes. */
export interface LaneWrites {
  /** A lane in memory failed: its events go to the backlog. False: its partition is not ours any more, or the dispatcher stopped before. */
  spill(lane: FailedLane): Promise<boolean>
  /** Acknowledges an event. Resolves with the order keys of lanes that are now empty; null: the dispatcher stopped before. */
  delivered(orderKey: string, eventId: string): Promise<ReadonlySet<string> | null>
  reschedule(lane: Pick<LaneRow, 'orderKey' | 'nextAt' | 'attempt'>): Promise<boolean>
  deadLetter(letter: Omit<Parameters<LaneStore['deadLetter']>[0], 'destination' | 'endpoint'>): Promise<boolean>
  /** Resolves when no write is under way. */
  idle(): Promise<void>
}

interface FailedLane {
  readonly assignment: Assignment
  readonly events: readonly EventRecord[]
  readonly nextAt: number
  readonly attempt: number
}

/** How long outcomes are collected for one write. */
const COLLECT_MS = 5

export function createLaneWrites(deps: {
  destination: Pick<Destination, 'id' | 'kind'>
  lanes: Pick<LaneStore, 'spill' | 'delivered' | 'reschedule' | 'deadLetter'>
  persist: Persist
  fenced: FencedWrites
  clock: Clock
}): LaneWrites {
  const { lanes, persist, fenced, clock } = deps
  const { id: destination } = deps.destination
  const endpoint = deps.destination.kind === 'endpoint'
  const group = <T, R>(write: (items: readonly T[]) => Promise<R>) =>
    createBatcher({ clock, collectMs: COLLECT_MS, write })

  const spill = group<FailedLane, ReadonlySet<Assignment>>(async items => {
    let written: ReadonlySet<Assignment> = new Set(items.map(({ assignment }) => assignment))
    // One call takes one time and one attempt for all its lanes. Lanes of a batch failed within milliseconds, so the latest time does.
    for (const attempt of new Set(items.map(item => item.attempt))) {
      const same = items.filter(item => item.attempt === attempt)
      const nextAt = Math.max(...same.map(item => item.nextAt))
      const rowsOf = (leases: ReadonlyMap<Assignment, Lease>) =>
        same.flatMap(({ assignment, events }) =>
          leases.has(assignment)
            ? events.map(event => ({ destination, endpoint, event, origin: 'live' as const }))
            : [],
        )
      const [only] = same.length === 1 ? same : []
      const [head] = only?.events ?? []
      const retry = head && attempt > 0 ? { destination, orderKey: head.orderKey } : undefined
      const assignments = new Set(same.map(({ assignment }) => assignment))
      const kept = await fenced.write('a failed delivery', assignments, leases =>
        lanes.spill(rowsOf(leases), { nextAt, attempt }, { ...(retry && { retry }), leases: [...leases.values()] }),
      )
      written = new Set([...written].filter(assignment => kept.has(assignment) || !assignments.has(assignment)))
    }
    return written
  })

  const delivered = group<{ orderKey: string; eventId: string }, ReadonlySet<string> | null>(async items => {
    const done = new Map<string, string[]>()
    for (const { orderKey, eventId } of items) {
      const ids = done.get(orderKey) ?? []
      ids.push(eventId)
      done.set(orderKey, ids)
    }
    const list = [...done].map(([orderKey, eventIds]) => ({ orderKey, eventIds }))
    return await persist('acknowledgements', () => lanes.delivered(destination, list, clock.now()))
  })

  const reschedule = group<LaneRow, boolean>(rows => persist.did('a retry', () => lanes.reschedule(rows)))

  return {
    spill: async lane => (await spill.add(lane)).has(lane.assignment),
    delivered: (orderKey, eventId) => delivered.add({ orderKey, eventId }),
    reschedule: lane => reschedule.add({ ...lane, destination, held: false }),
    deadLetter: letter => persist.did('a dead letter', () => lanes.deadLetter({ ...letter, destination, endpoint })),
    idle: async () => {
      await Promise.all([spill.idle(), delivered.idle(), reschedule.idle()])
    },
  }
}
