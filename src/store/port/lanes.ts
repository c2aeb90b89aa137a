import type { EventRecord } from '../../order/event-record.ts'
import type { EventFilter } from './events.ts'

/**
 * A lane is one destination × one order. It has a row exactly while its backlog is not empty. Within a lane the backlog is
 * ordered by sequence, and inserting an event that is there already is nothing, but that it then waits as `live` rather than `redrive`,
 * and as that rather than `replay`.
 */
export interface LaneRow {
  readonly destination: string
  readonly orderKey: string
  /** When its head may be tried next. */
  readonly nextAt: number
  /** Attempts made for the head. */
  readonly attempt: number
  /** Held by a dead letter (`onExhausted: "hold"`): not tried until redriven. */
  readonly held: boolean
}

export type BacklogOrigin = 'live' | 'replay' | 'redrive'

export interface BacklogEvent extends EventRecord {
  readonly origin: BacklogOrigin
}

export interface Spill {
  readonly destination: string
  /** It is an endpoint: nothing is put in where none of this id is there any more. */
  readonly endpoint?: boolean
  readonly event: EventRecord
  readonly origin: BacklogOrigin
}

export interface LaneStore {
  /** Which of these order keys have a lane row at this destination. */
  existing(destination: string, orderKeys: readonly string[]): Promise<ReadonlySet<string>>
  /** How many lane rows each destination has. */
  counts(): Promise<ReadonlyMap<string, number>>
  /**
   * Puts events into the backlog and makes the lanes that do not exist yet. An event that retention has removed from the history (Kafka may
   * keep it longer) is put back into it, so that it is not lost. `lane` gives a new lane's first time and attempts; an existing
   * lane keeps its own, but for `retry`: then the head of exactly this lane was tried, and its time and attempts are set.
   */
  spill(
    events: readonly Spill[],
    lane: { nextAt: number; attempt: number },
    retry?: Pick<LaneRow, 'destination' | 'orderKey'>,
  ): Promise<void>
  /**
   * Lanes that may be tried now, earliest first, of one destination. `owned` null: all partitions; else those with
   * partition(orderKey) in the set. `skip`: order keys that are being worked on.
   */
  due(query: {
    destination: string
    now: number
    limit: number
    owned: { partitions: number; of: ReadonlySet<number> } | null
    skip: ReadonlySet<string>
  }): Promise<readonly LaneRow[]>
  /** When the next lane of any of these destinations becomes due; null: none waits. */
  nextDue(destinations: readonly string[]): Promise<number | null>
  /** The first events of a lane, by sequence. */
  head(destination: string, orderKey: string, limit: number): Promise<readonly BacklogEvent[]>
  /** Removes delivered events from lanes; a lane left empty loses its row, else it becomes due at `now` with no attempts made. Returns the emptied lanes' order keys. */
  delivered(
    destination: string,
    done: readonly { orderKey: string; eventIds: readonly string[] }[],
    now: number,
  ): Promise<ReadonlySet<string>>
  reschedule(lanes: readonly LaneRow[]): Promise<void>
  /** Makes every lane of this destination that waits for a later time due at `now`, its attempts kept; held lanes stay held. */
  makeDue(destination: string, now: number): Promise<void>
  /** The head is given up: into the dead letters and, unless `hold`, out of the backlog; the lane goes on at once, or is held. Returns true if the lane is now empty. */
  deadLetter(letter: {
    destination: string
    /** As in `Spill`. */
    endpoint?: boolean
    orderKey: string
    eventId: string
    at: number
    attempts: number
    lastError: string
    hold: boolean
  }): Promise<boolean>
  /**
   * Puts past events into the backlog of one destination again, in order, each lane by sequence; a lane that waits for a later time
   * and gets a single event (`eventId`) becomes due. Returns how many. Many small transactions: after a crash it is done again from the
   * begin. `wants` chooses among what the filter finds; it may be asked about an event more than once. `request`: the replay this is
   * done for; when that is gone, its endpoint removed, nothing more is put in. `origin`: as what; `replay` unless said.
   */
  replay(
    destination: string,
    filter: EventFilter,
    now: number,
    options?: {
      wants?: (event: EventRecord) => boolean
      signal?: AbortSignal
      request?: number
      origin?: BacklogOrigin
    },
  ): Promise<number>
  /** Drops what waits for a destination that was an endpoint, where there is no endpoint of this id now. */
  forget(destination: string): Promise<void>
  /** Backlog size and the oldest waiting event's `observedAt`, by destination. */
  backlog(): Promise<ReadonlyMap<string, { size: number; oldestObservedAt: number | null }>>
}
