import type { EventRecord } from '../order/event-record.ts'
import type { BacklogOrigin } from '../store/port/lanes.ts'
import type { Assignment, Slot } from './assignment.ts'

/**
 * One destination × one order, while something of it is queued or in flight. A lane is either all in memory (`stored` false: it has no
 * row in the store, its events are open in the log) or all in the store (`stored` true: what is in `queue` is a copy of the
 * backlog's head, and newer events go to the backlog behind it). It turns from the first into the second as a whole, never back.
 */
export interface Lane {
  readonly orderKey: string
  readonly assignment: Assignment
  stored: boolean
  /** Head first; the one in flight included. */
  queue: Item[]
  /** From a send until it is decided what follows from it: nobody else touches its queue. */
  busy: boolean
  /** Attempts made for the head. */
  attempt: number
  /** The write that brings it into the store, while it runs. */
  storing: Promise<unknown> | null
  /** The last write of acknowledgements. */
  flushed: Promise<ReadonlySet<string> | null> | null
  /** Somebody waits for the end of what is in flight, its writes included. */
  ended: (() => void) | null
}

export interface Item {
  readonly event: EventRecord
  readonly origin: BacklogOrigin
  /** null: it is not open in the log (any more). */
  slot: Slot | null
}

export function createLane(orderKey: string, assignment: Assignment, stored: boolean, attempt: number): Lane {
  return { orderKey, assignment, stored, queue: [], busy: false, attempt, storing: null, flushed: null, ended: null }
}
