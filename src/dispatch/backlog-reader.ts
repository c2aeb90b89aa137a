import type { Clock } from '../lib/clock.ts'
import type { LaneRow, LaneStore } from '../store/port/lanes.ts'
import type { Admission } from './admission.ts'
import type { Assignment } from './assignment.ts'
import type { Lanes } from './lanes.ts'
import type { Persist } from './persist.ts'

/** Works one destination's backlog off: finds the lanes that are due and hands them to `lanes`, a bounded number at a time. */
export interface BacklogReader {
  /** A lane is due at this time, milliseconds since the epoch. */
  lookAt(at: number): void
  /** Something changed: look now. */
  lookNow(): void
  /** A lane left memory: there may be room for the next. */
  laneFreed(): void
  stop(): void
}

/** Later than any lane is due: the lanes come earliest first, so one query gives those that are due and when the next will be. */
const EVER = Number.MAX_SAFE_INTEGER
const [FEWEST, MOST] = [32, 256]
const HIDDEN_FOR = 250
/** While so many characters of events are in memory, no more lanes are loaded. */
const STORED_SIZE = 16 * 1024 * 1024

export function createBacklogReader(deps: {
  destination: string
  concurrency: () => number
  admission: Admission
  lanes: Lanes
  store: Pick<LaneStore, 'due'>
  persist: Persist
  clock: Clock
  owned: () => Parameters<LaneStore['due']>[0]['owned']
  /** The assignment to work this lane under; null: it is not ours. */
  assignmentOf: (orderKey: string) => Assignment | null
  /** False: no partition is ours (not started, stopped), so nothing here is ours to send. */
  owns: () => boolean
  mayHaveRows: () => boolean
  /** Nothing waits, as far as one can see from here. */
  dry: () => void
}): BacklogReader {
  const { admission, lanes, clock } = deps
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
      poke()
    })
  }

  function poke(): void {
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
    const room = most - lanes.storedCount
    // Whenever a lane leaves memory this is asked again: a few at a time, so that one query brings many.
    if (room <= 0 || room < most / 2) return
    if (lanes.storedSize > STORED_SIZE) {
      more = true
      return
    }
    const skip = lanes.keys()
    const found = await deps.persist('a look for due lanes', () =>
      deps.store.due({
        destination: deps.destination,
        now: EVER,
        limit: room,
        owned: deps.owned(),
        skip,
      }),
    )
    if (found === null || stopped) return
    // Live lanes hide rows of theirs that a replay made; nobody tells when they end, for that costs every delivery something.
    if (skip.size > lanes.storedCount && deps.mayHaveRows()) alarm(clock.now() + HIDDEN_FOR)
    if (found.length === 0 && lanes.storedCount === 0) deps.dry()
    const now = clock.now()
    more = found.length === room && found.every(row => row.nextAt <= now)
    for (const row of found) {
      if (row.nextAt > now) return alarm(row.nextAt)
      take(row)
    }
  }

  function take(row: LaneRow): void {
    const assignment = deps.assignmentOf(row.orderKey)
    if (assignment?.state !== 'open' || admission.blockedFor() > 0) return
    // It came into memory while we asked; the next question skips it.
    if (lanes.has(row.orderKey)) again = true
    else lanes.open(row.orderKey, assignment, row.attempt)
  }

  return {
    lookAt: alarm,
    lookNow: poke,
    laneFreed() {
      if (more || lanes.storedCount === 0) poke()
    },
    stop() {
      stopped = true
      cancel?.()
    },
  }
}
