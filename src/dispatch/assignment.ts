import { type Ahead, isDone } from '../event-log/ahead.ts'
import type { Lease } from '../store/port/leases.ts'

/**
 * One partition while it is ours: which of its events are open, and the right to send them. Each time the partition is assigned it gets
 * a new one, so late completions of the old one change nothing.
 *
 * A position is committable when no event at or before it is open. Only open events are kept, so memory does not grow with how far
 * reading is ahead of a slow destination.
 */
export interface Assignment {
  readonly partition: number
  /** Held by every write that only the owner of the partition may make; see `fenced-writes.ts`. */
  lease: Lease
  /** `open`: send. `closing`: deliveries in flight may end, none begins. `closed`: nothing counts any more. */
  readonly state: 'open' | 'closing' | 'closed'
  /** Aborts the deliveries in flight. */
  readonly signal: AbortSignal
  /** An event was read. It is open until each of these destinations has acknowledged it or has it in its backlog. */
  take(position: number, destinations: readonly string[]): Slot
  /** It is no longer open for this destination. */
  release(slot: Slot, destination: string): void
  /** The last open event with more than `most` done events behind it, which a crash would repeat; null: none. */
  laggard(most: number): Slot | null
  /** The former owner of the partition has done this: delivered the event to the destination, or put it into its backlog. */
  isDone(destination: string, position: number): boolean
  /** The destination was removed. A later one with the same id starts anew. */
  forget(destination: string): void
  /** A delivery begins; it ends when its writes are done. */
  begin(): void
  end(): void
  /** No delivery begins any more. Resolves when those in flight have ended. */
  drain(): Promise<void>
  /** Aborts the deliveries in flight; nothing that happens later counts. */
  close(): void
  /** Aborts the deliveries in flight; their end still counts. */
  abort(): void
}

/** The place of one event among the open ones of its partition. */
export interface Slot {
  readonly assignment: Assignment
  /** The last position before this event. */
  readonly before: number
  readonly position: number
  /** Its place among the events of the partition that some destination wanted. */
  readonly n: number
  /** The destinations it is open for. */
  open: readonly string[]
  older: Slot | null
  newer: Slot | null
}

/** Open events listed in `ahead`. Events behind more open ones than this are delivered again after a crash. */
const MOST_OPEN = 5_000

/**
 * `committable` gets the highest position with no open event at or before it, whenever it grows or an event behind it is done.
 * `former`: what the former owner had done beyond the position that we read from.
 */
export function createAssignment(
  partition: number,
  lease: Lease,
  committable: (position: number, ahead: () => Ahead) => void,
  former: Ahead = { through: 0, destinations: new Map() },
): Assignment {
  const abort = new AbortController()
  let state: Assignment['state'] = 'open'
  let taken: number | null = null
  let oldest: Slot | null = null
  let newest: Slot | null = null
  /** Events that some destination wanted, and how many of them are open. */
  let [wanted, open] = [0, 0]
  let running = 0
  let idle: () => void = () => {}
  /** The position after which each destination gets its events. */
  const since = new Map([...former.destinations].map(([id, { after }]) => [id, after]))
  const formerly = new Map(former.destinations)

  function advance(): void {
    const position = oldest ? oldest.before : taken
    if (position !== null && state !== 'closed') committable(position, ahead)
  }

  /** Our own knowledge up to `taken`, and the former owner's behind it. */
  function ahead(): Ahead {
    const read = taken ?? 0
    let through = Math.max(read, former.through)
    // Only the former owner knows about events that we have not read yet.
    const known = [...since].filter(([id]) => through <= read || formerly.has(id))
    const openOf = new Map(known.map(([id]) => [id, new Set<number>()]))
    let count = 0
    for (let slot = oldest; slot !== null; slot = slot.newer) {
      count += slot.open.length
      if (count > MOST_OPEN) {
        through = slot.before
        break
      }
      for (const id of slot.open) openOf.get(id)?.add(slot.position)
    }
    if (through > read)
      for (const [id, coverage] of formerly)
        for (const position of coverage.open) if (position > read) openOf.get(id)?.add(position)
    const coverage = known.map(([id, after]) => [id, { after, open: openOf.get(id) ?? new Set<number>() }] as const)
    return { through, destinations: new Map(coverage) }
  }

  const assignment: Assignment = {
    partition,
    lease,
    get state() {
      return state
    },
    signal: abort.signal,
    take(position, destinations) {
      // Positions may have holes, and a log that is read again starts lower.
      const before = taken !== null && taken < position ? taken : position - 1
      taken = position
      const slot: Slot = { assignment, before, position, n: wanted, open: destinations, older: newest, newer: null }
      for (const id of destinations) if (!since.has(id)) since.set(id, before)
      if (destinations.length === 0) {
        if (!oldest) advance()
        return slot
      }
      wanted++
      open++
      if (newest) newest.newer = slot
      else oldest = slot
      newest = slot
      return slot
    },
    release(slot, destination) {
      if (state === 'closed' || !slot.open.includes(destination)) return
      slot.open = slot.open.filter(id => id !== destination)
      if (slot.open.length > 0) return advance()
      open--
      if (slot.older) slot.older.newer = slot.newer
      if (slot.newer) slot.newer.older = slot.older
      if (newest === slot) newest = slot.older
      if (oldest === slot) oldest = slot.newer
      advance()
    },
    laggard(most) {
      let last: Slot | null = null
      let openBehind = open - 1
      for (let slot = oldest; slot !== null && wanted - 1 - slot.n - openBehind > most; slot = slot.newer) {
        last = slot
        openBehind--
      }
      return last
    },
    isDone: (destination, position) => formerly.has(destination) && isDone(former, destination, position),
    forget(destination) {
      since.delete(destination)
      formerly.delete(destination)
    },
    begin() {
      running++
    },
    end() {
      if (--running === 0) idle()
    },
    drain() {
      if (state === 'open') state = 'closing'
      if (running === 0) return Promise.resolve()
      return new Promise(resolve => {
        const before = idle
        idle = () => {
          before()
          resolve()
        }
      })
    },
    abort() {
      abort.abort()
    },
    close() {
      state = 'closed'
      abort.abort()
    },
  }
  return assignment
}
