/** Times in milliseconds since the epoch: what is older may go. */
export interface PruneBounds {
  readonly events: number
  readonly attempts: number
  readonly deadLetters: number
  /**
   * The group that reads the embedded event log: events beyond its position are kept. null: the event log is not the store.
   */
  readonly reader: string | null
  /** The present, for the count of what expired. */
  readonly now: number
}

/**
 * Promises, whatever the age:
 * - an event stays while it is unpublished, unread, in a backlog, has a dead letter, or is covered by a replay that is not wholly queued;
 * - with it stay the later events of its order, so that no order has a gap;
 * - the attempts of a delivery that waits or is dead stay;
 * - a dead letter that holds its order (`onExhausted: "hold"`) waits for a redrive;
 * - a replay to an endpoint, its opening included, stays until it is queued.
 */
export interface Pruned {
  readonly events: number
  readonly attempts: number
  /** Dead letters that expired, by destination. */
  readonly deadLetters: ReadonlyMap<string, number>
}
