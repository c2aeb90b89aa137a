import type { Clock } from '../lib/clock.ts'
import type { Fate } from './attempt.ts'
import type { Destination, Outcome } from './destination.ts'
import type { Lane, Sent } from './lane.ts'
import type { LaneTable } from './lane-table.ts'
import type { LaneWrites } from './lane-writes.ts'
import type { SpillOwner } from './spill.ts'

/** When a row is due again if nothing better is known, e.g. if the process dies between a failure and its dead letter. */
export const FALLBACK_PAUSE_MS = 5_000

/**
 * Writes what an attempt means for its lane, and says where the lane goes then. A delivery from memory writes nothing and does not come here.
 * `fate` null: the attempt was aborted.
 */
export type RecordOutcome = (lane: Lane, sent: Sent, outcome: Outcome, fate: Fate | null) => Promise<void>

export function createRecordOutcome(deps: {
  owner: Pick<SpillOwner, 'id'>
  table: LaneTable
  writes: LaneWrites
  destination: () => Destination
  clock: Clock
  mayWork: (lane: Lane) => boolean
  /** Sends the next loaded event of the lane. */
  next: (lane: Lane) => void
  /** Loads more events of the lane. */
  load: (lane: Lane) => Promise<void>
  /** Drops the lane from memory; its row is due at `nextAt`. */
  leave: (lane: Lane, nextAt: number) => void
  /** A lane left memory and has no row. */
  emptied: () => void
}): RecordOutcome {
  const { owner, table, writes, clock, mayWork, leave } = deps

  /** The head of a stored lane is delivered. The next event is sent while the acknowledgement is being written. */
  async function acknowledge(lane: Lane, sent: Sent): Promise<void> {
    const acknowledged = writes.delivered(lane.orderKey, sent.item.event.id)
    lane.acknowledged = acknowledged
    lane.queue.shift()
    lane.attempt = 0
    if (lane.queue.length > 0 && mayWork(lane)) {
      deps.next(lane)
      await acknowledged
      return
    }
    const empty = await acknowledged
    if (empty?.has(lane.orderKey)) {
      if (table.remove(lane)) deps.emptied()
    } else if (empty && mayWork(lane)) await deps.load(lane)
    else leave(lane, clock.now())
  }

  /** A failure in memory: the event and all behind it go to the backlog. False: they are read from the log again. */
  async function spillFailed(lane: Lane, nextAt: number, attempt: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const items = table.spill(lane, promise)
    const events = items.map(entry => entry.event)
    const done = await writes.spill({ assignment: lane.assignment, events, nextAt, attempt })
    lane.place = 'stored'
    resolve()
    if (done) for (const { slot } of items) slot?.assignment.release(slot, owner.id)
    return done
  }

  return async (lane, sent, outcome, fate) => {
    if (lane.place === 'spilling') await lane.spilled
    // The backlog keeps what is stored. What is in memory only is read from the log again.
    if (fate === null) return leave(lane, clock.now())
    if (fate.kind === 'delivered') return acknowledge(lane, sent)
    const { item, attempt } = sent
    const isDead = fate.kind === 'dead-letter'
    const nextAt = fate.kind === 'retry' ? fate.nextAt : clock.now() + (isDead ? FALLBACK_PAUSE_MS : 0)
    const counted = fate.kind === 'keep' ? attempt - 1 : attempt
    if (lane.place === 'memory') {
      if (!(await spillFailed(lane, nextAt, counted))) return leave(lane, nextAt)
    } else {
      if (lane.acknowledged && (await lane.acknowledged) === null) return leave(lane, nextAt)
      if (!isDead) await writes.reschedule({ orderKey: lane.orderKey, nextAt, attempt: counted })
    }
    if (!isDead) return leave(lane, nextAt)
    await writes.deadLetter({
      orderKey: lane.orderKey,
      eventId: item.event.id,
      at: clock.now(),
      attempts: attempt,
      lastError: outcome.error ?? 'failed',
      hold: deps.destination().delivery.onExhausted === 'hold',
    })
    leave(lane, clock.now())
  }
}
