/** Times in milliseconds since the epoch: what is older may go. */
export interface PruneBounds {
  readonly events: number
  readonly attempts: number
  readonly deadLetters: number
  /**
   * The group that reads the embedded event log: what it has not passed yet waits in its memory, or has not been read. null: the log is
   * not the store.
   */
  readonly reader: string | null
  /** The present, for the count of what expired. */
  readonly now: number
}

/**
 * Promises: an event is kept, whatever its age, while it is unpublished, unread, covered by a replay that is not wholly queued, in a backlog,
 * or has a dead letter; and with it the later events of its order, so that what is left of an order has no gap. The attempts of a delivery that waits or is dead are kept with it. A dead letter that holds its
 * order (`onExhausted: "hold"`) waits for a redrive and never expires. A replay to an endpoint, its opening included, is kept until it is queued.
 */
export interface Pruned {
  readonly events: number
  readonly attempts: number
  /** Dead letters that expired, by destination. */
  readonly deadLetters: ReadonlyMap<string, number>
}
