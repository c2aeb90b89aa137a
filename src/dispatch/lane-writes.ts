import { createBatcher } from '../lib/batcher.ts'
import type { Clock } from '../lib/clock.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { LaneRow, LaneStore } from '../store/port/lanes.ts'
import type { Destination } from './destination.ts'
import type { Persist } from './persist.ts'

/** The writes to the store for the lanes of one destination, batched over many lanes. */
export interface LaneWrites {
  /** A lane in memory failed: its events go to the backlog. False: the dispatcher stopped before. */
  spill(lane: { events: readonly EventRecord[]; nextAt: number; attempt: number }): Promise<boolean>
  /** Acknowledges an event. Resolves with the order keys of lanes that are now empty; null: the dispatcher stopped before. */
  delivered(orderKey: string, eventId: string): Promise<ReadonlySet<string> | null>
  reschedule(lane: Pick<LaneRow, 'orderKey' | 'nextAt' | 'attempt'>): Promise<boolean>
  deadLetter(letter: Omit<Parameters<LaneStore['deadLetter']>[0], 'destination' | 'endpoint'>): Promise<boolean>
  /** Resolves when no write is under way. */
  idle(): Promise<void>
}

/** How long outcomes are collected for one write. */
const COLLECT_MS = 5

export function createLaneWrites(deps: {
  destination: Pick<Destination, 'id' | 'kind'>
  lanes: Pick<LaneStore, 'spill' | 'delivered' | 'reschedule' | 'deadLetter'>
  persist: Persist
  clock: Clock
}): LaneWrites {
  const { lanes, persist, clock } = deps
  const { id: destination } = deps.destination
  const endpoint = deps.destination.kind === 'endpoint'
  const group = <T, R>(write: (items: readonly T[]) => Promise<R>) =>
    createBatcher({ clock, collectMs: COLLECT_MS, write })

  const spill = group<{ events: readonly EventRecord[]; nextAt: number; attempt: number }, boolean>(async items => {
    // One call takes one time and one attempt for all its lanes. Lanes of a batch failed within milliseconds, so the latest time does.
    for (const attempt of new Set(items.map(item => item.attempt))) {
      const same = items.filter(item => item.attempt === attempt)
      const nextAt = Math.max(...same.map(item => item.nextAt))
      const rows = same.flatMap(item =>
        item.events.map(event => ({ destination, endpoint, event, origin: 'live' as const })),
      )
      const [only] = same.length === 1 ? same : []
      const [head] = only?.events ?? []
      const retry = head && attempt > 0 ? { destination, orderKey: head.orderKey } : undefined
      if (!(await persist.did('a failed delivery', () => lanes.spill(rows, { nextAt, attempt }, retry)))) return false
    }
    return true
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
    spill: spill.add,
    delivered: (orderKey, eventId) => delivered.add({ orderKey, eventId }),
    reschedule: lane => reschedule.add({ ...lane, destination, held: false }),
    deadLetter: letter => persist.did('a dead letter', () => lanes.deadLetter({ ...letter, destination, endpoint })),
    idle: async () => {
      await Promise.all([spill.idle(), delivered.idle(), reschedule.idle()])
    },
  }
}
