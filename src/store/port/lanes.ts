import type { EventRecord } from '../../order/event-record.ts'
import type { EventFilter } from './events.ts'
import type { Lease } from './leases.ts'

/**
 * A lane is one destination × one order. It has a row exactly while its backlog is not empty. Its backlog is ordered by sequence.
 * Inserting an event that is there already changes its origin only, and only upwards: replay < redrive < live.
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
  /** It is an endpoint: nothing is inserted once the endpoint is removed. */
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
   * Puts events into the backlog and makes missing lanes. An event that retention has removed from the history (Kafka may keep it
   * longer) is put back. `lane`: time and attempts of a new lane; an existing lane keeps its own. With `retry` the head of this lane was
   * tried, and its time and attempts are set. Rejects if one of the `leases` is lost, and writes nothing.
   */
  spill(
    events: readonly Spill[],
    lane: { nextAt: number; attempt: number },
    options?: { retry?: Pick<LaneRow, 'destination' | 'orderKey'>; leases?: readonly Lease[] },
  ): Promise<void>
  /**
   * Lanes of one destination that may be tried now, earliest first. `owned`: only lanes in these partitions; null: in all.
   * `skip`: order keys in flight.
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
  /** The same for each of them that has such a lane. */
  nextDueOfEach(destinations: readonly string[]): Promise<ReadonlyMap<string, number>>
  /** The first events of a lane, by sequence. */
  head(destination: string, orderKey: string, limit: number): Promise<readonly BacklogEvent[]>
  /** Removes delivered events. An empty lane loses its row; any other becomes due at `now` with no attempts made. Returns the order keys of the emptied lanes. */
  delivered(
    destination: string,
    done: readonly { orderKey: string; eventIds: readonly string[] }[],
    now: number,
  ): Promise<ReadonlySet<string>>
  reschedule(lanes: readonly LaneRow[]): Promise<void>
  /** Makes every waiting lane of this destination due at `now`. Attempts stay; held lanes stay held. */
  makeDue(destination: string, now: number): Promise<void>
  /** Moves the head to the dead letters; the lane goes on at once. With `hold` the head also stays in the backlog, and the lane is held. Returns true if the lane is now empty. */
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
   * Puts past events into the backlog of one destination, each lane in sequence, and returns how many. A waiting lane that gets a single
   * event (`eventId`) becomes due. Runs many small transactions; after a crash, start again from the beginning.
   * `wants`: chooses among the events that match the filter; may be asked twice about one event. `request`: the replay this is for; once
   * it is gone (its endpoint was removed), nothing more is inserted. `origin`: `replay` by default.
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
  /** Drops what waits for a removed endpoint. Does nothing if an endpoint of this id exists. */
  forget(destination: string): Promise<void>
  /** Backlog size and the oldest waiting event's `observedAt`, by destination. */
  backlog(): Promise<ReadonlyMap<string, { size: number; oldestObservedAt: number | null }>>
}
