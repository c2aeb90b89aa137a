/** The members of an event that the inbox looks at; test deliveries have neither key nor sequence. */
export interface InboxEvent {
  readonly id: string
  readonly partitionkey?: string
  readonly sequence?: string
}

/** One event as a store keeps it. */
export interface InboxEntry {
  readonly id: string
  /** `connection/order`; null: the event belongs to no order (a test delivery). */
  readonly orderKey: string | null
  readonly sequence: number
}

/**
 * Where an inbox remembers what has come in. `T` is what the work gets, for example a transaction.
 *
 * `record` runs `work` for an id that is new and remembers the id when `work` resolves. It resolves with the highest sequence number
 * of the order that was known before (0: none), or with null for a known id, without running `work`. If `work` rejects, nothing is
 * remembered and the rejection is passed on. Calls for one id at the same time run `work` once.
 */
export interface InboxStore<T = undefined> {
  record(entry: InboxEntry, work: (transaction: T, highest: number) => Promise<void>): Promise<number | null>
}

/**
 * - `new`: the next event of its order
 * - `repeat`: this id was received before; the work was not run
 * - `gap`: events of this order are missing before it (`missing`). Endpoints with `types` or a `filter` see gaps all the time
 * - `late`: an event with a lower number than one received before: a redriven dead letter or a replay
 */
export type Receipt =
  | { readonly verdict: 'new' | 'repeat' | 'late' }
  | { readonly verdict: 'gap'; readonly missing: { readonly from: number; readonly to: number } }

export interface Inbox<T = undefined> {
  /**
   * Runs `work` unless this event was received before. `work` gets the store's transaction: what it writes there and the event's id
   * are committed together, so a crash repeats both or neither. Answer 2xx when this resolves and 5xx when it rejects.
   */
  receive(event: InboxEvent, work?: (transaction: T, receipt: Receipt) => Promise<void>): Promise<Receipt>
}

/**
 * Turns "at least once" into "once": drops repeats by id, and says where events of an order are missing or late.
 *
 * @example
 * const inbox = createInbox({ store: createSqlStore({ dialect: 'postgres', transaction }) })
 * await inbox.receive(event, async query => { await query('insert into bookings …', [event.id]) })
 */
export function createInbox<T = undefined>({ store }: { readonly store: InboxStore<T> }): Inbox<T> {
  return {
    async receive(event, work = async () => {}) {
      const entry = entryOf(event)
      const highest = await store.record(entry, (transaction, known) => work(transaction, receiptOf(entry, known)))
      return highest === null ? { verdict: 'repeat' } : receiptOf(entry, highest)
    },
  }
}

function entryOf({ id, partitionkey, sequence }: InboxEvent): InboxEntry {
  if (partitionkey === undefined || sequence === undefined) return { id, orderKey: null, sequence: 0 }
  return { id, orderKey: partitionkey, sequence: Number(sequence) }
}

function receiptOf({ orderKey, sequence }: InboxEntry, highest: number): Receipt {
  if (orderKey === null || sequence === highest + 1) return { verdict: 'new' }
  if (sequence <= highest) return { verdict: 'late' }
  return { verdict: 'gap', missing: { from: highest + 1, to: sequence - 1 } }
}
