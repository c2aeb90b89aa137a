import { type Ahead, isDone } from '../event-log/ahead.ts'

/**
 * One partition while it is ours: which of its events are still open, and the right to send them. After a revoke a later
 * `assigned` makes a new one, so late completions of the old change nothing.
 *
 * A position is settled when no event at or before it is open. Only open events are kept, so memory follows what is in flight
 * and not how far the reading has got ahead of a slow destination.
 */
export interface Assignment {
  readonly partition: number
  readonly claim: Claim
  /** `open`: send. `closing`: finish what has begun, begin nothing. `closed`: nothing counts any more. */
  readonly state: 'open' | 'closing' | 'closed'
  /** Aborts what is in flight. */
  readonly signal: AbortSignal
  /** An event was read; these destinations have to deliver it or set it aside. */
  take(position: number, destinations: readonly string[]): Slot
  /** One of them has. */
  release(slot: Slot, destination: string): void
  /** A former owner of the partition has brought this position to the destination, or into its backlog. */
  isDone(destination: string, position: number): boolean
  /** The destination is no more: what was done for it says nothing of one that is called the same later. */
  forget(destination: string): void
  /** A send, with the writes that follow it, begins and ends. */
  begin(): void
  end(): void
  /** Begins nothing any more; resolves when what has begun has ended. */
  drain(): Promise<void>
  /** Aborts what is still in flight; nothing that happens later counts. */
  close(): void
  /** Aborts what is still in flight; its end still counts. */
  abort(): void
}

/** That a partition is ours, as the store knows it; see `past.ts`. */
export interface Claim {
  /** Of the lease under which it is read; null: the log says whose it is. */
  readonly epoch: number | null
  number: number
  /** The log has said, after we claimed it, that it is ours. */
  confirmed: boolean
}

/** The place of one event among the open ones of its partition. */
export interface Slot {
  readonly assignment: Assignment
  /** The last position before this event. */
  readonly before: number
  readonly position: number
  /** The destinations that have yet to deliver it or set it aside. */
  open: readonly string[]
  older: Slot | null
  newer: Slot | null
}

/** Open events that are written down one by one; what comes behind more of them is repeated after a crash. */
const MOST_OPEN = 5_000

/**
 * `settle` is told the highest position at or before which nothing is open, each time it grows or something behind it is done.
 * `former`: what the owner before us had done beyond the position from which we read.
 */
export function createAssignment(
  partition: number,
  claim: Claim,
  settle: (position: number, ahead: () => Ahead) => void,
  former: Ahead = { through: 0, destinations: new Map() },
): Assignment {
  const abort = new AbortController()
  let state: Assignment['state'] = 'open'
  let taken: number | null = null
  let oldest: Slot | null = null
  let newest: Slot | null = null
  let running = 0
  let idle: () => void = () => {}
  /** Since when each destination is given what it wants. */
  const since = new Map([...former.destinations].map(([id, { after }]) => [id, after]))
  const formerly = new Map(former.destinations)

  function advance(): void {
    const position = oldest ? oldest.before : taken
    if (position !== null && state !== 'closed') settle(position, ahead)
  }

  /** What we know ourselves up to `taken`, and what the former owner knew behind that. */
  function ahead(): Ahead {
    const read = taken ?? 0
    let through = Math.max(read, former.through)
    // Of what is not read again yet, only the former owner knows.
    const known = [...since].filter(([id]) => through <= read || formerly.has(id))
    const open = new Map(known.map(([id]) => [id, new Set<number>()]))
    let count = 0
    for (let slot = oldest; slot !== null; slot = slot.newer) {
      count += slot.open.length
      if (count > MOST_OPEN) {
        through = slot.before
        break
      }
      for (const id of slot.open) open.get(id)?.add(slot.position)
    }
    if (through > read)
      for (const [id, coverage] of formerly)
        for (const position of coverage.open) if (position > read) open.get(id)?.add(position)
    const coverage = known.map(([id, after]) => [id, { after, open: open.get(id) ?? new Set<number>() }] as const)
    return { through, destinations: new Map(coverage) }
  }

  const assignment: Assignment = {
    partition,
    claim,
    get state() {
      return state
    },
    signal: abort.signal,
    take(position, destinations) {
      // Positions may have holes, and a log read anew from further back starts over.
      const before = taken !== null && taken < position ? taken : position - 1
      taken = position
      const slot: Slot = { assignment, before, position, open: destinations, older: newest, newer: null }
      for (const id of destinations) if (!since.has(id)) since.set(id, before)
      if (destinations.length === 0) {
        if (!oldest) advance()
        return slot
      }
      if (newest) newest.newer = slot
      else oldest = slot
      newest = slot
      return slot
    },
    release(slot, destination) {
      if (state === 'closed' || !slot.open.includes(destination)) return
      slot.open = slot.open.filter(id => id !== destination)
      if (slot.open.length > 0) return advance()
      if (slot.older) slot.older.newer = slot.newer
      if (slot.newer) slot.newer.older = slot.older
      if (newest === slot) newest = slot.older
      if (oldest === slot) oldest = slot.newer
      advance()
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
