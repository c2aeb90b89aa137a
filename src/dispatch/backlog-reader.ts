import type { Clock } from '../lib/clock.ts'
import type { LaneRow, LaneStore } from '../store/port/lanes.ts'
import type { Admission } from './admission.ts'
import type { Assignment } from './assignment.ts'
import type { Departures, LaneTable } from './lane-table.ts'
import type { Lanes } from './lanes.ts'
import type { Persist } from './persist.ts'

/** Works through the backlog of one destination: finds due lanes in the store and opens them, a bounded number at a time. */
export interface BacklogReader {
  /** A lane is due at this time, milliseconds since the epoch. */
  lookAt(at: number): void
  /** Something changed: look now. */
  lookNow(): void
  /** A lane left memory: there may be room for the next. */
  laneFreed(): void
  stop(): void
}

/** Asked for with this time, the store returns all lanes, earliest first: the due ones, and when the next is due. */
const EVER = Number.MAX_SAFE_INTEGER
/** Lanes open at the same time: four times the concurrency, within these bounds. */
const [FEWEST, MOST] = [32, 256]
const HIDDEN_FOR_MS = 250
/** No more lanes are opened while their events in memory have more characters than this. */
const STORED_SIZE_LIMIT = 16 * 1024 * 1024

export function createBacklogReader(deps: {
  destination: string
  concurrency: () => number
  admission: Admission
  lanes: Pick<Lanes, 'open'>
  table: LaneTable
  store: Pick<LaneStore, 'due'>
  persist: Persist
  clock: Clock
  owned: () => Parameters<LaneStore['due']>[0]['owned']
  /** The assignment of this lane's partition; null: the partition is not ours. */
  assignmentOf: (orderKey: string) => Assignment | null
  /** False: no partition is ours, so nothing may be sent. */
  owns: () => boolean
  mayHaveRows: () => boolean
  /** No row was found and no lane is open. */
  empty: () => void
}): BacklogReader {
  const { admission, lanes, table, clock } = deps
  let stopped = false
  let looking = false
  let again = false
  /** The last look found more than there was room for. */
  let more = false
  let alarmAt = Number.POSITIVE_INFINITY
  let cancel: (() => void) | null = null

  function alarm(at: number): void {
    if (at >= alarmAt || stopped) return
    cancel?.()
    alarmAt = at
    cancel = clock.after(Math.max(0, at - clock.now()), () => {
      cancel = null
      alarmAt = Number.POSITIVE_INFINITY
      lookNow()
    })
  }

  function lookNow(): void {
    if (stopped || !deps.owns()) return
    if (looking) {
      again = true
      return
    }
    looking = true
    void look()
  }

  async function look(): Promise<void> {
    try {
      do {
        again = false
        await lookOnce()
      } while (again && !stopped)
    } finally {
      looking = false
    }
  }

  async function lookOnce(): Promise<void> {
    const blocked = admission.blockedFor()
    if (blocked === Number.POSITIVE_INFINITY) return
    if (blocked > 0) return alarm(clock.now() + Math.ceil(blocked))
    const most = admission.circuitOpen ? 1 : Math.min(Math.max(deps.concurrency() * 4, FEWEST), MOST)
    const room = most - table.storedCount
    // Wait until half the room is free, so that one query brings many lanes. Each lane that leaves asks again.
    if (room <= 0 || room < most / 2) return
    if (table.storedSize > STORED_SIZE_LIMIT) {
      more = true
      return
    }
    const skip = table.keys()
    const left = table.departures()
    const found = await deps.persist('a look for due lanes', () =>
      deps.store.due({
        destination: deps.destination,
        now: EVER,
        limit: room,
        owned: deps.owned(),
        skip,
      }),
    )
    left.close()
    if (found === null || stopped) return
    // A replay may have made rows for lanes that were skipped because they are in memory. Their end is not announced, so look again.
    if (skip.size > table.storedCount && deps.mayHaveRows()) alarm(clock.now() + HIDDEN_FOR_MS)
    if (found.length === 0 && table.storedCount === 0) deps.empty()
    const now = clock.now()
    more = found.length === room && found.every(row => row.nextAt <= now)
    for (const row of found) {
      if (row.nextAt > now) return alarm(row.nextAt)
      take(row, left)
    }
  }

  function take(row: LaneRow, left: Departures): void {
    const assignment = deps.assignmentOf(row.orderKey)
    if (assignment?.state !== 'open' || admission.blockedFor() > 0) return
    // The lane came into memory during the query, and may have left with another row: held, due later, or none. The next query knows.
    if (table.has(row.orderKey) || left.has(row.orderKey)) again = true
    else lanes.open(row.orderKey, assignment, row.attempt)
  }

  return {
    lookAt: alarm,
    lookNow,
    laneFreed() {
      if (more || table.storedCount === 0) lookNow()
    },
    stop() {
      stopped = true
      cancel?.()
    },
  }
}
