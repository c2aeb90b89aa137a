import type { EventRecord } from '../order/event-record.ts'
import type { BacklogOrigin } from '../store/port/lanes.ts'
import type { Assignment, Slot } from './assignment.ts'

/**
 * One lane: one destination × one order, while this process queues or delivers its events. Its state is `place` and `doing`:
 *
 *               memory              spilling              stored
 *
 *   accept ──▶ waiting ─── spill ─▶ waiting ── written ─▶ left
 *               │    ▲
 *          send │    │ delivered
 *               ▼    │
 *             in flight ── spill ─▶ in flight ─ written ▶ in flight ─── failed ──▶ left
 *                        or failed                         │    ▲
 *                                                delivered │    │ send
 *                                                          ▼    │
 *   open ──────────────────────────────────▶ loading ───▶ waiting ─── leaving ──▶ left
 *
 * `left` means that the lane is not in memory any more. A lane in memory leaves after its last delivery; a stored lane then loads the
 * next events of its backlog, or leaves when the backlog is empty. No lane goes back from the store to memory.
 */
export interface Lane {
  readonly orderKey: string
  readonly assignment: Assignment
  /**
   * - `memory`: it has no row in the store; its events count as open in the log
   * - `spilling`: its events are being written to the backlog
   * - `stored`: it has a row; `queue` is a copy of the head of its backlog
   *
   * New events of a lane that is not in `memory` go to the backlog.
   */
  place: 'memory' | 'spilling' | 'stored'
  /** `in flight` lasts until the writes after the attempt are done. Only `waiting` lets others change the queue. */
  doing: 'waiting' | 'loading' | 'in flight' | 'leaving'
  /** Head first; includes the event in flight. */
  queue: Item[]
  /** Attempts made for the head. */
  attempt: number
  /** The write that ends `spilling`. */
  spilled: Promise<unknown> | null
  /** The last write of acknowledgements. */
  acknowledged: Promise<ReadonlySet<string> | null> | null
  /** Called when the event in flight and its writes are done. */
  onEnd: (() => void) | null
}

export interface Item {
  readonly event: EventRecord
  readonly origin: BacklogOrigin
  /** null: the event is not open in the log. */
  slot: Slot | null
}

/** An attempt in flight. */
export interface Sent {
  readonly item: Item
  readonly attempt: number
  /** Milliseconds since the epoch, and of the monotonic clock. */
  readonly at: number
  readonly begun: number
}
