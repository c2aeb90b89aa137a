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
  /** An event was read; `holds` destinations have to deliver it or set it aside. */
  take(position: number, holds: number): Slot
  /** One of them has. */
  release(slot: Slot): void
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
  holds: number
  older: Slot | null
  newer: Slot | null
}

/** `settle` is told the highest position at or before which nothing is open, each time it grows. */
export function createAssignment(partition: number, claim: Claim, settle: (position: number) => void): Assignment {
  const abort = new AbortController()
  let state: Assignment['state'] = 'open'
  let taken: number | null = null
  let oldest: Slot | null = null
  let newest: Slot | null = null
  let running = 0
  let idle: () => void = () => {}

  function advance(): void {
    const position = oldest ? oldest.before : taken
    if (position !== null && state !== 'closed') settle(position)
  }

  const assignment: Assignment = {
    partition,
    claim,
    get state() {
      return state
    },
    signal: abort.signal,
    take(position, holds) {
      // Positions may have holes, and a log read anew from further back starts over.
      const before = taken !== null && taken < position ? taken : position - 1
      taken = position
      const slot: Slot = { assignment, before, holds, older: newest, newer: null }
      if (holds === 0) {
        if (!oldest) advance()
        return slot
      }
      if (newest) newest.newer = slot
      else oldest = slot
      newest = slot
      return slot
    },
    release(slot) {
      if (slot.holds === 0 || --slot.holds > 0) return
      if (slot.older) slot.older.newer = slot.newer
      if (slot.newer) slot.newer.older = slot.older
      if (newest === slot) newest = slot.older
      if (oldest !== slot) return
      oldest = slot.newer
      advance()
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
