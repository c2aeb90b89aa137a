import type { Assignment } from './assignment.ts'
import type { Item, Lane } from './lane.ts'
import type { MemoryShare } from './memory.ts'

/** The lanes of one destination that are in memory, with counts of what they hold. */
export interface LaneTable {
  get(orderKey: string): Lane | undefined
  has(orderKey: string): boolean
  /** False: it has left, even if another lane of the same order came later. */
  holds(lane: Lane): boolean
  keys(): ReadonlySet<string>
  /** A copy: lanes may leave while it is walked. */
  all(): Lane[]
  /** Events in lanes of place `memory`, including those in flight. */
  readonly queued: number
  /** The same, and when the oldest of them was observed. */
  waiting(): { size: number; oldestObservedAt: number | null }
  /** Lanes that have a row in the store, or are getting one. */
  readonly storedCount: number
  /** Characters of their loaded events. */
  readonly storedSize: number
  add(orderKey: string, assignment: Assignment, place: 'memory' | 'stored', attempt: number): Lane
  /** Adds an event to a lane in memory. */
  push(lane: Lane, item: Item): void
  /** Removes the head of a lane in memory. */
  shift(lane: Lane): void
  /** `memory` → `spilling`. Returns the events to write; the one in flight stays in the queue. */
  spill(lane: Lane, written: Promise<unknown>): Item[]
  /** False: it had left before. */
  remove(lane: Lane): boolean
  /** Notes which lanes leave, until it is closed. */
  departures(): Departures
}

export interface Departures {
  has(orderKey: string): boolean
  close(): void
}

export function createLaneTable(memory: MemoryShare): LaneTable {
  const lanes = new Map<string, Lane>()
  const watched = new Set<Set<string>>()
  let queued = 0
  let storedCount = 0

  function release(item: Item): void {
    queued--
    memory.release(item.event.body.length)
  }

  return {
    get: orderKey => lanes.get(orderKey),
    has: orderKey => lanes.has(orderKey),
    holds: lane => lanes.get(lane.orderKey) === lane,
    keys: () => new Set(lanes.keys()),
    all: () => [...lanes.values()],
    get queued() {
      return queued
    },
    waiting() {
      let oldestObservedAt: number | null = null
      for (const { place, queue } of lanes.values()) {
        const at = place === 'memory' ? queue[0]?.event.observedAt : undefined
        if (at !== undefined && (oldestObservedAt === null || at < oldestObservedAt)) oldestObservedAt = at
      }
      return { size: queued, oldestObservedAt }
    },
    get storedCount() {
      return storedCount
    },
    get storedSize() {
      let size = 0
      for (const { place, queue } of lanes.values())
        if (place !== 'memory') for (const { event } of queue) size += event.body.length
      return size
    },
    add(orderKey, assignment, place, attempt) {
      const lane: Lane = {
        orderKey,
        assignment,
        place,
        doing: 'waiting',
        queue: [],
        attempt,
        spilled: null,
        acknowledged: null,
        onEnd: null,
      }
      lanes.set(orderKey, lane)
      if (place === 'stored') storedCount++
      return lane
    },
    push(lane, item) {
      lane.queue.push(item)
      queued++
      memory.take(item.event.body.length)
    },
    shift(lane) {
      const head = lane.queue.shift()
      if (head) release(head)
    },
    spill(lane, written) {
      const items = lane.queue
      items.forEach(release)
      storedCount++
      lane.place = 'spilling'
      lane.spilled = written
      lane.queue = lane.doing === 'in flight' ? items.slice(0, 1) : []
      return items
    },
    remove(lane) {
      if (lanes.get(lane.orderKey) !== lane) return false
      lanes.delete(lane.orderKey)
      for (const left of watched) left.add(lane.orderKey)
      if (lane.place === 'memory') lane.queue.forEach(release)
      else storedCount--
      lane.queue = []
      return true
    },
    departures() {
      const left = new Set<string>()
      watched.add(left)
      return { has: orderKey => left.has(orderKey), close: () => void watched.delete(left) }
    },
  }
}
