import type { Doubt, OrderSnapshot } from '../../schemas/order.ts'

/**
 * The port to a vendor. A source declares only what differs between vendors: URLs, authentication, paging, parsing,
 * published limits. It keeps no state between calls but its access token, writes nothing, and decides nothing about events.
 * Pacing, retries of 429 and the vendor's clock live in `http.ts`; windows, drift and the cursor in `ingest/`.
 *
 * Errors are `AppError`s whose intent says what to do: `retry` (with `retryAfterMs`), `narrow` (window too large),
 * `stop` (credentials, permissions). A bad row is no error: it is a `Reject` of its page.
 */
export interface OrderSource {
  readonly feed: WindowFeed | FollowFeed

  /** The orders asked for, as they are now, complete. An order the vendor does not know is absent (never an error, never a cancellation). */
  fetch(orders: readonly OrderRef[], options: ReadOptions): Promise<Page>

  /**
   * Fills what the rows of the feed leave open (refund records, lines), for rows that changed only. Returns the snapshots in
   * the given order. What cannot be read now stays as it is (`refund.records: 'delayed'`), so it delays one fact and no page.
   */
  complete?(snapshots: readonly OrderSnapshot[], options: ReadOptions): Promise<readonly OrderSnapshot[]>

  /** The cheapest authorised request; resolves with a short description of what answered, for `check`. */
  check(options: ReadOptions): Promise<string>

  /** A single order can be read only together with its buyer's id; default: false. */
  readonly asksForBuyer?: boolean
  /** Verifies and reads the webhooks of this connection; absent: it takes none. */
  readonly webhook?: WebhookReader
}

/** A simulated vendor in this process, for the demo and for tests: what a shop's API would answer, on loopback. */
export interface Simulated {
  readonly baseUrl: string
  close(): Promise<unknown>
}

/** A webhook is only a hint: the orders that it names are read again, and facts are derived from what is read. */
export interface WebhookReader {
  /** Whether the vendor sent it: the signature fits the body. Compare in constant time. */
  verify(request: WebhookRequest): boolean
  /** Called for verified requests only. Throws where the body cannot be read. */
  read(request: WebhookRequest): WebhookNotice
}

export interface WebhookRequest {
  /** The raw bytes, as signed. */
  readonly body: Uint8Array
  /** By name, in any case; undefined: there is none. */
  header(name: string): string | undefined
}

export interface WebhookNotice {
  /** The orders that changed; empty: it names none. `userId` where the source asks for buyers. */
  readonly orders: readonly OrderRef[]
  /** The vendor's id of this delivery, the same when it is repeated; null: it gives none. */
  readonly deliveryId: string | null
  /** What happened, in the vendor's words, for the log. */
  readonly topic: string | null
}

export interface OrderRef {
  readonly orderId: string
  /** The buyer's id where the source asks for it (`asksForBuyer`); null elsewhere. */
  readonly userId: string | null
}

export interface ReadOptions {
  readonly signal: AbortSignal
  /** `live` requests go before `backfill` requests of the same connection, always. */
  readonly priority: 'live' | 'backfill'
  /** Rows that a page may leave out (`Page.skipped`). A source may ignore it, at the price of time. */
  readonly known?: KnownRows
}

/** A row by its bytes as they stood in an answer. */
export interface RowBytes {
  /** Their digest. */
  readonly mark: string
  /** In characters of the answer's text. */
  readonly length: number
}

/** A row whose order the store holds as this row shows it: reading it again changes nothing. */
export interface KnownRow extends RowBytes {
  readonly orderId: string
  readonly updatedAt: string | null
}

export interface KnownRows {
  readonly size: number
  /** By its mark. */
  find(mark: string): KnownRow | undefined
  /** The row that came next when this one was last on a page: a guess. */
  behind(row: KnownRow): KnownRow | undefined
}

/** The known rows of a page, in its order. */
export interface SkippedRows {
  readonly rows: readonly KnownRow[]
  /** Reads one all the same, by its place in `rows`. */
  read(at: number): OrderSnapshot | Reject
}

/** Orders that changed within a window of update time can be asked for (Kakaclo, Shoplazza). */
export interface WindowFeed {
  readonly kind: 'window'
  /** The vendor's time precision in milliseconds; windows are rounded outwards to it. */
  readonly precisionMs: number
  /** One page of the window. `page` null: the first; else the `next` of the page before. */
  readPage(window: Window, page: string | null, options: ReadOptions): Promise<FeedPage>
  /** As `readPage`, of a window of creation time; absent: the vendor has no such filter. */
  readCreated?(window: Window, page: string | null, options: ReadOptions): Promise<FeedPage>
  /** By how much an order may be older than the window it is listed in; default: a second. */
  readonly toleranceMs?: number
}

/** Only known orders, or the orders of known users, can be asked for (Tuya). */
export interface FollowFeed {
  readonly kind: 'follow'
  /** One page of a user's orders. */
  readUserPage(userId: string, page: string | null, options: ReadOptions): Promise<FeedPage>
}

/** A span of update time, closed at both ends, milliseconds since the epoch by the vendor's clock. */
export interface Window {
  readonly from: number
  readonly to: number
}

export interface Page {
  readonly orders: readonly OrderSnapshot[]
  /** Rows that could not be understood as an order at all. */
  readonly rejects: readonly Reject[]
  /** Rows that `ReadOptions.known` knows. They are not among `orders`; absent: none. */
  readonly skipped?: SkippedRows
  /** The bytes of the rows of `orders`, by order id, worked out when asked for. Absent: they cannot be told. */
  readonly bytes?: () => ReadonlyMap<string, RowBytes>
}

export interface FeedPage extends Page {
  /** Opaque; null: this was the last page. */
  readonly next: string | null
  /** How many rows the vendor says the whole window (or user) has; null: it does not say. */
  readonly total: number | null
  /** The most rows a page can have. */
  readonly pageSize: number
}

/** A row set aside: it becomes a quarantine entry, and the rest of its page goes on. */
export interface Reject extends Doubt {
  /** null: not even the id could be read. */
  readonly orderId: string | null
}
