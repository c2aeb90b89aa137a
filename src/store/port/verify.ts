import type { EventRecord } from '../../order/event-record.ts'
import type { StoredEvent } from './events.ts'
import type { LaneRow } from './lanes.ts'

/**
 * Finds rows that contradict each other, and repairs what can be repaired safely. Each page is one short statement: it shows one moment,
 * whatever is written meanwhile, and nobody waits for it long. An empty page is the end.
 */
export interface VerifyStore {
  /** By connection and order id. */
  orders(after: Pick<CheckedOrder, 'connection' | 'orderId'> | null, limit: number): Promise<readonly CheckedOrder[]>
  /** By `n`. */
  events(after: number, limit: number): Promise<readonly CheckedEvent[]>
  /** By destination and order key. */
  lanes(after: LaneKey | null, limit: number): Promise<readonly CheckedLane[]>
  /** By `n`. */
  backlog(after: number, limit: number): Promise<readonly CheckedWaiting[]>
  /** By `n`. */
  deadLetters(after: number, limit: number): Promise<readonly CheckedLetter[]>
  /** Events that are committed and not in the event log, by connection. `oldestObservedAt`: of the first in the history. */
  unpublished(): Promise<readonly { connection: string; count: number; oldestObservedAt: number }[]>
  /** The first and last `n` there are (0: none), the last that was ever given. `whole`: all that were ever given are there. */
  history(): Promise<{ first: number; last: number; given: number; whole: boolean }>
  /** How far the groups of the embedded log are. */
  offsets(): Promise<readonly { group: string; partition: number; position: number }[]>
  /** When an order is asked for next because it or its user is followed; null: it is not. */
  nextReading(connection: string, orderId: string, userId: string | null): Promise<number | null>

  // Each of these looks again before it changes anything. false: there was nothing to repair (any more).
  /** Removes the row of a lane whose backlog is empty. */
  dropEmptyLane(lane: LaneKey): Promise<boolean>
  /** Gives a backlog its lane, due at `now`. */
  restoreLane(lane: LaneKey, now: number): Promise<boolean>
  /** Lets a lane that is held, and by no dead letter, go on at `now`. */
  releaseLane(lane: LaneKey, now: number): Promise<boolean>
  /** Removes what waits, or was given up, of an event that the history does not have. */
  dropWithoutEvent(destination: string, eventId: string): Promise<boolean>
  /** Puts a position beyond the last `n` ever given back to the beginning: what comes next would be passed over. */
  lowerOffset(group: string, partition: number): Promise<boolean>
}

export type LaneKey = Pick<LaneRow, 'destination' | 'orderKey'>

export interface CheckedOrder {
  readonly connection: string
  readonly orderId: string
  readonly observedAt: number
  /** The JSON as it is stored. */
  readonly state: string
  /** By sequence. */
  readonly events: readonly Pick<EventRecord, 'id' | 'sequence'>[]
}

export interface CheckedEvent extends StoredEvent {
  /** Its order has a row. */
  readonly hasOrder: boolean
}

export interface CheckedLane extends LaneKey {
  readonly held: boolean
  /** Something is in its backlog. */
  readonly waiting: boolean
  /** A dead letter holds it. */
  readonly holder: boolean
}

/** What a row that belongs to an event says of it, and what the history says; null: it does not have it. */
interface CheckedReference extends LaneKey {
  readonly n: number
  readonly eventId: string
  readonly sequence: number
  readonly event: Pick<EventRecord, 'orderKey' | 'sequence'> | null
}

export interface CheckedWaiting extends CheckedReference {
  /** Its lane has a row. */
  readonly hasLane: boolean
}

export interface CheckedLetter extends CheckedReference {
  readonly id: string
  readonly holding: boolean
  /** Its lane is held. */
  readonly held: boolean
}
