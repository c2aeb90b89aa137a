import type { Vendor } from '../../schemas/common.ts'
import type { EndpointFilter } from '../../schemas/endpoint.ts'
import type { Doubt, OrderSnapshot } from '../../schemas/order.ts'
import type { EventType } from '../../schemas/order-event.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { OrderState } from '../order/state.ts'
import type { Window } from '../sources/source.ts'

/**
 * The port to durable state. One implementation (`sql-store.ts`) on two databases. Every method is one transaction: it happened
 * whole when it resolves, and not at all when it rejects or the process dies. A power failure undoes nothing but, at the end of what was
 * written, acknowledgements, attempts, offsets of the embedded log and parts of a replay: what is done again then was done before.
 * Times are milliseconds since the epoch and passed in.
 * Promises, for every adapter: test/contract/store.ts.
 */
export interface Store {
  readonly connections: ConnectionStore
  readonly orders: OrderStore
  readonly events: EventStore
  readonly follows: FollowStore
  readonly quarantine: QuarantineStore
  readonly endpoints: EndpointStore
  readonly lanes: LaneStore
  readonly replays: ReplayStore
  readonly deliveries: DeliveryStore
  readonly deadLetters: DeadLetterStore
  readonly offsets: OffsetStore
  readonly leases: LeaseStore
  readonly pollRequests: PollRequestStore
  readonly keys: KeyStore
  readonly audit: AuditStore
  /** Deletes old events (with what hangs on them), attempts; in small batches. Returns how many rows went. */
  prune(
    before: { events: number; attempts: number },
    signal: AbortSignal,
  ): Promise<{ events: number; attempts: number }>
  /** Resolves with a short description of what answered, for `check` and `/readyz`; rejects with an AppError that says what to do. */
  check(): Promise<string>
  close(): Promise<void>
}

/** A page of a listing, newest or oldest first as each method says. `after`: the `n` of the last row of the page before. */
export interface Paging {
  readonly limit: number
  readonly after?: number
}

// ── leases ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Work that one process does at a time. Every write under a lease carries the epoch, so a holder that lost it changes nothing. */
export interface Lease {
  readonly name: string
  readonly owner: string
  /** Grows by one each time the lease changes hands. */
  readonly epoch: number
}

export interface LeaseStore {
  /** The lease, if it is free, expired or already ours; else null. By the database's clock where it has one, else `now`. */
  acquire(name: string, owner: string, ttlMs: number, now: number): Promise<Lease | null>
  /** False: it is no longer ours. */
  renew(lease: Lease, ttlMs: number, now: number): Promise<boolean>
  release(lease: Lease): Promise<void>
}

/** Thrown (code `store.lease_lost`, intent `stop`) by writes whose lease has passed to another. */
export const LEASE_LOST = 'store.lease_lost'

// ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export type ConnectionState = 'ok' | 'behind' | 'failing' | 'stopped'

export interface ConnectionRow {
  readonly id: string
  readonly vendor: Vendor
  /** Everything of update time up to here has been read, but for `gaps`; null: never polled. */
  readonly cursor: number | null
  /** Windows still to be read beside the polls: backfill, and what an outage left. */
  readonly gaps: readonly Window[]
  readonly state: ConnectionState
  readonly lastSuccessAt: number | null
  readonly nextPollAt: number | null
  readonly lastError: string | null
  /** Digest of the configuration; a change takes a stopped connection up again. */
  readonly fingerprint: string
  /** When the last inbound webhook came, to a minute; null: none ever. */
  readonly webhookAt: number | null
  /** Changed orders that polls found since then without a word from the vendor, and when the first of them. */
  readonly unannounced: number
  readonly unannouncedSince: number | null
}

/** What a round changes of its connection; absent members stay. Gaps come and go one by one: polls and backfill run beside each other. */
export type ConnectionPatch = Partial<
  Pick<ConnectionRow, 'cursor' | 'state' | 'lastSuccessAt' | 'nextPollAt' | 'lastError'> & {
    readonly gaps: { readonly closed?: Window; readonly opened: readonly Window[] }
  }
>

export interface ConnectionStore {
  /** Makes rows for the configured connections; one whose fingerprint changed and that was stopped becomes `ok` again. */
  configure(connections: readonly { id: string; vendor: Vendor; fingerprint: string }[]): Promise<void>
  get(id: string): Promise<ConnectionRow | null>
  list(): Promise<readonly ConnectionRow[]>
  /** Orders tracked and quarantine entries, by connection. Counting may take a moment on large stores; callers cache it. */
  counts(): Promise<ReadonlyMap<string, { orders: number; quarantined: number }>>
  update(lease: Lease, id: string, patch: ConnectionPatch): Promise<void>
  /** An inbound webhook came at this time: what polls found alone before counts no more. Needs no lease: any process may get one. */
  heard(id: string, at: number): Promise<void>
  /** A poll found so many changed orders by itself; counts only where a webhook has ever come. */
  found(lease: Lease, id: string, orders: number, at: number): Promise<void>
}

// ── orders and what is derived from them ─────────────────────────────────────────────────────────────────────────────────

export interface OrderRow {
  readonly connection: string
  readonly orderId: string
  /** The buyer's id where the vendor needs it (Tuya). */
  readonly userId: string | null
  /** Digest of the row as the feed showed it; the same digest again means: nothing to do. */
  readonly digest: string
  readonly state: OrderState
  readonly snapshot: OrderSnapshot
  /** When it was last changed, by our clock. */
  readonly observedAt: number
  /** When it must be read again although nothing changed (a refund that is not yet on record); null: not. */
  readonly recheckAt: number | null
}

/** One page of one round, as one transaction. */
export interface PageCommit {
  readonly connection: string
  readonly orders: readonly OrderRow[]
  /** In the order they are to be published. */
  readonly events: readonly EventRecord[]
  /** Milliseconds; null: the event log takes them later (`events.unpublished`). */
  readonly publishedAt: number | null
  /** For each order (or, with orderId null, each row without an id): all that is not understood of it now; replaces what was there. */
  readonly doubts: readonly { orderId: string | null; entries: readonly Doubt[]; at: number }[]
}

export interface OrderStore {
  /** Known orders among these ids. */
  load(connection: string, orderIds: readonly string[]): Promise<ReadonlyMap<string, OrderRow>>
  /** Only what is needed to drop the unchanged: digest and recheck time. Fast for a whole page. */
  digests(
    connection: string,
    orderIds: readonly string[],
  ): Promise<ReadonlyMap<string, { digest: string; recheckAt: number | null }>>
  get(connection: string, orderId: string): Promise<OrderRow | null>
  /** Orders whose recheck time has come, earliest first. */
  due(connection: string, now: number, limit: number): Promise<readonly OrderRow[]>
  commit(lease: Lease, page: PageCommit): Promise<void>
}

export interface EventFilter {
  readonly types?: readonly EventType[]
  readonly connections?: readonly string[]
  readonly orderId?: string
  /** This one event. */
  readonly eventId?: string
  /** Bounds of `observedAt`, milliseconds: since inclusive, until exclusive. */
  readonly since?: number
  readonly until?: number
  /** No event behind this place in the history (`n`), and only events behind this one. */
  readonly through?: number
  readonly behind?: number
}

export interface StoredEvent extends EventRecord {
  /** Place in the history; grows with every event, and is never seen out of order by `after`. */
  readonly n: number
}

export interface EventStore {
  /** Oldest first by default, `newest` turns it around. */
  list(filter: EventFilter, paging: Paging & { newest?: boolean }): Promise<readonly StoredEvent[]>
  count(filter: EventFilter): Promise<number>
  get(id: string): Promise<StoredEvent | null>
  ofOrder(connection: string, orderId: string): Promise<readonly StoredEvent[]>
  /** The highest `n` there is; 0 when empty. */
  last(): Promise<number>
  /** Of one connection, in publishing order. */
  unpublished(connection: string, limit: number): Promise<readonly StoredEvent[]>
  markPublished(lease: Lease, ns: readonly number[], at: number): Promise<void>
}

// ── follows (vendors without a change feed) ──────────────────────────────────────────────────────────────────────────────

export interface Follow {
  readonly connection: string
  readonly kind: 'order' | 'user'
  /** Order id or user id. */
  readonly id: string
  /** The buyer of a followed order; for kind `user` the id itself. */
  readonly userId: string | null
  /** When to ask next, and the delay promised from one asking to the next. */
  readonly nextAt: number
  readonly everyMs: number
  /** When it last changed, by our clock. */
  readonly changedAt: number
}

export interface FollowStore {
  /** Adds or updates; an existing follow becomes due at `now`. */
  put(connection: string, kind: Follow['kind'], id: string, userId: string | null, now: number): Promise<void>
  /** Earliest first. */
  due(connection: string, now: number, limit: number): Promise<readonly Follow[]>
  /** Makes all follows of a connection due; returns how many there are. */
  wake(connection: string, now: number): Promise<number>
  reschedule(lease: Lease, follows: readonly Follow[]): Promise<void>
  count(connection: string): Promise<number>
  list(connection: string, paging: Paging): Promise<readonly (Follow & { n: number })[]>
}

// ── quarantine ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface QuarantineRow {
  readonly n: number
  readonly id: string
  readonly connection: string
  readonly orderId: string | null
  /** When it was first seen. */
  readonly at: number
  readonly reason: string
  readonly path: string
  readonly value: string
}

export interface QuarantineStore {
  /** Newest first. */
  list(filter: { connection?: string; orderId?: string }, paging: Paging): Promise<readonly QuarantineRow[]>
  get(id: string): Promise<QuarantineRow | null>
  remove(id: string): Promise<void>
}

// ── endpoints ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface EndpointRow {
  readonly id: string
  readonly url: string
  /** null: all. */
  readonly types: readonly EventType[] | null
  readonly connections: readonly string[] | null
  /** Encrypted. */
  readonly secret: string
  readonly previousSecret: string | null
  readonly previousValidUntil: number | null
  /** Conditions on members of the event, as configured; null: none. */
  readonly filter: EndpointFilter | null
  /** Headers of its own by name, each value encrypted; null: none. */
  readonly headers: Readonly<Record<string, string>> | null
  /** Delivery options of its own, as configured; merged over the global ones by dispatch. */
  readonly delivery: Readonly<Record<string, unknown>> | null
  readonly description: string | null
  readonly state: 'active' | 'paused' | 'disabled'
  readonly stateReason: string | null
  /** It asked to be left alone until then; null: it did not, or whoever changed it since takes that back. May be long past. */
  readonly restUntil: number | null
  /** Declared in the configuration. */
  readonly declared: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

/** An endpoint may ask for this much rest at most, milliseconds. */
export const LONGEST_REST = 3_600_000

export interface EndpointStore {
  list(): Promise<readonly EndpointRow[]>
  get(id: string): Promise<EndpointRow | null>
  /**
   * False: the id is taken. `replaySince`: with a replay of the past since then, which comes before anything else (`ReplayRow.opening`).
   * `shared`: dispatchers in other processes learn of it later, so with a replay of what comes into the history until they do.
   */
  insert(endpoint: EndpointRow, options?: { replaySince?: number; shared?: boolean }): Promise<boolean>
  /** False: there is none with this id. */
  update(id: string, patch: Partial<Omit<EndpointRow, 'id' | 'createdAt'>>): Promise<boolean>
  /** It asks to be left alone until then: of several who say so the latest time counts, unless that is more than `LONGEST_REST` later. */
  rest(id: string, until: number): Promise<void>
  /** With its backlog, lanes, replays, dead letters and attempts. False: there was none. */
  remove(id: string): Promise<boolean>
}

// ── lanes and their backlog ──────────────────────────────────────────────────────────────────────────────────────────────

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
  readonly event: Pick<EventRecord, 'id' | 'orderKey' | 'sequence'>
  readonly origin: BacklogOrigin
}

export interface LaneStore {
  /** Which of these order keys have a lane row at this destination. */
  existing(destination: string, orderKeys: readonly string[]): Promise<ReadonlySet<string>>
  /** How many lane rows each destination has. */
  counts(): Promise<ReadonlyMap<string, number>>
  /**
   * Puts events into the backlog and makes the lanes that do not exist yet. `lane` gives a new lane's first time and attempts; an existing
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
  hasten(destination: string, now: number): Promise<void>
  /** The head is given up: into the dead letters and, unless `hold`, out of the backlog; the lane goes on at once, or is held. Returns true if the lane is now empty. */
  bury(letter: {
    destination: string
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

// ── replays ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A replay on its way into the backlog: the owner of each partition of the event log puts in what is in that partition. */
export interface ReplayRow {
  readonly n: number
  readonly destination: string
  readonly filter: EventFilter
  /** The destination is new: until the past is queued, it is sent nothing, and what happens waits behind it. */
  readonly opening: boolean
  /** The last event it covers; null: all that an owner took in before it knew of the destination. */
  readonly through: number | null
  /** Partitions that are done. */
  readonly queued: readonly number[]
  readonly createdAt: number
}

export interface ReplayStore {
  /** Asks for a replay of what there is now. Returns how many events that is; none: nothing is asked for. */
  add(destination: string, filter: EventFilter, now: number, wants?: (event: EventRecord) => boolean): Promise<number>
  /** Oldest first. */
  pending(): Promise<readonly ReplayRow[]>
  /** The last event there is (`n`); 0: none. */
  end(): Promise<number>
  /** Whether every event up to this one is in the event log. */
  published(through: number): Promise<boolean>
  /** Takes partitions over: the word of whoever had them before counts no more. Returns a number for each. */
  claim(group: string, partitions: readonly number[]): Promise<ReadonlyMap<number, number>>
  /** A partition's part is in the backlog; with the last of `partitions` the replay is over. False: the claim has passed to another. */
  queued(n: number, done: { group: string; partition: number; claim: number; partitions: number }): Promise<boolean>
}

// ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface AttemptRow {
  readonly destination: string
  readonly eventId: string
  readonly orderKey: string
  /** From 1. */
  readonly attempt: number
  readonly at: number
  readonly outcome: 'delivered' | 'retry' | 'dead'
  readonly statusCode: number | null
  readonly ms: number
  readonly error: string | null
  /** Beginning of the response body, redacted. */
  readonly response: string | null
}

export type DeliveryStatus = 'delivered' | 'waiting' | 'dead'

export interface DeliveryRow {
  /** `destination:eventId`. */
  readonly id: string
  readonly destination: string
  readonly eventId: string
  readonly orderKey: string
  readonly status: DeliveryStatus
  readonly attempt: number
  readonly nextAttemptAt: number | null
  readonly attempts: readonly AttemptRow[]
}

export interface DeliveryStore {
  /** In one write, however many. */
  record(attempts: readonly AttemptRow[]): Promise<void>
  /** Newest first. `next` is what `after` takes for the page behind. */
  list(
    filter: { destination?: string; eventId?: string; status?: DeliveryStatus },
    paging: { limit: number; after?: string },
  ): Promise<{ data: readonly DeliveryRow[]; next: string | null }>
  get(destination: string, eventId: string): Promise<DeliveryRow | null>
  /** When the first attempt failed of those that nothing delivered came after; null: none. Only attempts from `since` on count. */
  failingSince(destination: string, since: number): Promise<number | null>
  /** Of the newest `sample` attempts of each destination. */
  stats(sample: number): Promise<ReadonlyMap<string, { successRate: number; p50: number; p99: number }>>
}

// ── dead letters ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface DeadLetterRow {
  readonly n: number
  readonly id: string
  readonly destination: string
  readonly event: EventRecord
  readonly at: number
  readonly attempts: number
  readonly lastError: string
  readonly holding: boolean
}

export interface DeadLetterFilter extends EventFilter {
  readonly destination?: string
  readonly ids?: readonly string[]
}

export interface DeadLetterStore {
  /** Newest first. */
  list(filter: DeadLetterFilter, paging: Paging): Promise<readonly DeadLetterRow[]>
  get(id: string): Promise<DeadLetterRow | null>
  counts(): Promise<ReadonlyMap<string, number>>
  /** Back into the backlog, in order among themselves, due at `now`; held lanes go on. Returns how many. */
  redrive(filter: DeadLetterFilter, now: number): Promise<number>
}

// ── offsets of the embedded log ──────────────────────────────────────────────────────────────────────────────────────────

export interface OffsetStore {
  get(group: string, partition: number): Promise<number | null>
  set(group: string, partition: number, position: number): Promise<void>
}

// ── polls that another process is asked for ──────────────────────────────────────────────────────────────────────────────

/** A poll wanted by a process that does not work the connection; the one that does runs it and writes the answer. */
export interface PollRequest {
  readonly id: string
  readonly connection: string
  /** Which poll, and later what came of it: JSON that only the two ends read (`poll-request.ts`). */
  readonly request: string
  readonly askedAt: number
  /** null: nobody has taken it up yet. */
  readonly takenAt: number | null
  /** null: not answered yet. */
  readonly answer: string | null
}

export interface PollRequestStore {
  /** Also forgets requests older than `forgetBefore`, whose askers have died. */
  put(request: Pick<PollRequest, 'id' | 'connection' | 'request' | 'askedAt'>, forgetBefore: number): Promise<void>
  get(id: string): Promise<PollRequest | null>
  /** Takes up what waits for these connections, oldest first; each request is given to one caller only. Cheap when nothing waits. */
  take(connections: readonly string[], now: number): Promise<readonly PollRequest[]>
  answer(id: string, answer: string): Promise<void>
  /** `untaken`: only if nobody has taken it up. False: there is none such. */
  remove(id: string, options?: { untaken?: boolean }): Promise<boolean>
}

// ── API keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type KeyRole = 'read' | 'write' | 'admin'

export interface KeyRow {
  readonly id: string
  readonly name: string
  readonly role: KeyRole
  /** SHA-256 of the key, base64url: the key itself is kept nowhere. */
  readonly digest: string
  readonly createdAt: number
  /** To a minute. */
  readonly lastUsedAt: number | null
}

export interface KeyStore {
  /** Oldest first. */
  list(): Promise<readonly KeyRow[]>
  insert(key: KeyRow): Promise<void>
  /** False: there is none with this id. */
  remove(id: string): Promise<boolean>
  used(id: string, at: number): Promise<void>
}

// ── audit ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Looks for rows that contradict each other, and mends what can be mended without doubt. Each page is one statement, so what it
 * shows is of one moment, whatever is written meanwhile; and it is short, so that nobody waits for it long. A page is over when it is empty.
 */
export interface AuditStore {
  /** By connection and order id. */
  orders(after: Pick<AuditedOrder, 'connection' | 'orderId'> | null, limit: number): Promise<readonly AuditedOrder[]>
  /** By `n`. */
  events(after: number, limit: number): Promise<readonly AuditedEvent[]>
  /** By destination and order key. */
  lanes(after: LaneKey | null, limit: number): Promise<readonly AuditedLane[]>
  /** By `n`. */
  backlog(after: number, limit: number): Promise<readonly AuditedWaiting[]>
  /** By `n`. */
  deadLetters(after: number, limit: number): Promise<readonly AuditedLetter[]>
  /** Events that are committed and not in the event log, by connection. */
  unpublished(): Promise<readonly { connection: string; count: number; oldestObservedAt: number }[]>
  /** The first and last `n` there are (0: none), and the last that was ever given. */
  history(): Promise<{ first: number; last: number; given: number }>
  /** How far the groups of the embedded log are. */
  offsets(): Promise<readonly { group: string; partition: number; position: number }[]>
  /** When an order is asked for next because it or its user is followed; null: it is not. */
  nextReading(connection: string, orderId: string, userId: string | null): Promise<number | null>

  // Each of these looks again before it changes anything; false: there was nothing to mend (any more).
  /** Removes the row of a lane whose backlog is empty. */
  dropEmptyLane(lane: LaneKey): Promise<boolean>
  /** Gives a backlog its lane, due at `now`. */
  restoreLane(lane: LaneKey, now: number): Promise<boolean>
  /** Lets a lane that is held, and by no dead letter, go on at `now`. */
  releaseLane(lane: LaneKey, now: number): Promise<boolean>
  /** Removes what waits, or was given up, of an event that the history does not have. */
  dropWithoutEvent(destination: string, eventId: string): Promise<boolean>
  /** Puts a position beyond the last `n` ever given back to it: what comes next would be passed over. */
  lowerOffset(group: string, partition: number): Promise<boolean>
}

export type LaneKey = Pick<LaneRow, 'destination' | 'orderKey'>

export interface AuditedOrder {
  readonly connection: string
  readonly orderId: string
  readonly observedAt: number
  /** The JSON as it is stored. */
  readonly state: string
  /** By sequence. */
  readonly events: readonly Pick<EventRecord, 'id' | 'sequence'>[]
}

export interface AuditedEvent extends StoredEvent {
  /** Its order has a row. */
  readonly hasOrder: boolean
}

export interface AuditedLane extends LaneKey {
  readonly held: boolean
  /** Something is in its backlog. */
  readonly waiting: boolean
  /** A dead letter holds it. */
  readonly holder: boolean
}

/** What a row that belongs to an event says of it, and what the history says; null: it does not have it. */
interface AuditedReference extends LaneKey {
  readonly n: number
  readonly eventId: string
  readonly sequence: number
  readonly event: Pick<EventRecord, 'orderKey' | 'sequence'> | null
}

export interface AuditedWaiting extends AuditedReference {
  /** Its lane has a row. */
  readonly hasLane: boolean
}

export interface AuditedLetter extends AuditedReference {
  readonly id: string
  readonly holding: boolean
  /** Its lane is held. */
  readonly held: boolean
}
