import type { Generated } from 'kysely'

/**
 * The tables as Kysely sees them; the columns are made by `migrations/`. Times are milliseconds, flags are 0 or 1, documents
 * are JSON text: the same on both databases.
 */
export interface Schema {
  connections: {
    id: string
    vendor: string
    cursor: number | null
    gaps: string
    state: string
    last_success_at: number | null
    next_poll_at: number | null
    last_error: string | null
    fingerprint: string
    webhook_at: number | null
    unannounced: Generated<number>
    unannounced_since: number | null
    first_seen_at: number | null
    reached: number | null
    clock_ahead_ms: number | null
    /** What the event log refuses of it, and why; null: nothing. */
    refused: string | null
  }
  leases: {
    name: string
    /** null: released. */
    owner: string | null
    epoch: number
    expires_at: number
  }
  orders: {
    connection: string
    order_id: string
    user_id: string | null
    /** The snapshot's, to be found by. */
    order_number: string | null
    digest: string
    observed_at: number
    recheck_at: number | null
    state: string
    snapshot: string
  }
  events: {
    n: Generated<number>
    id: string
    type: string
    connection: string
    order_id: string
    order_key: string
    sequence: number
    occurred_at: number
    occurred_at_source: string
    observed_at: number
    body: string
  }
  /** Events that the event log does not have yet, or is to get again. The embedded log reads `events` itself and needs no rows here. */
  unpublished: {
    connection: string
    n: number
  }
  follows: {
    n: Generated<number>
    connection: string
    kind: string
    id: string
    user_id: string | null
    next_at: number
    every_ms: number
    changed_at: number
  }
  quarantine: {
    n: Generated<number>
    id: string
    connection: string
    order_id: string | null
    at: number
    reason: string
    path: string
    value: string
    /** Set for an entry about a span of update time; null: it is about an order or a row. */
    span_from: number | null
    span_to: number | null
    tries: number | null
    next_at: number | null
  }
  unnamed_windows: {
    connection: string
    from_at: number
    to_at: number
    tries: number
    next_at: number
  }
  endpoints: {
    id: string
    url: string
    types: string | null
    connections: string | null
    secret: string
    former_secrets: string
    filter: string | null
    headers: string | null
    delivery: string | null
    description: string | null
    state: string
    state_reason: string | null
    rest_until: number | null
    declared: number
    created_at: number
    updated_at: number
  }
  lanes: {
    destination: string
    order_key: string
    /** `keyHash(order_key)`: which partition the lane is in, whatever their number. */
    key_hash: number
    next_at: number
    attempt: number
    held: number
  }
  backlog: {
    n: Generated<number>
    destination: string
    order_key: string
    sequence: number
    event_id: string
    /** When the event was observed, for the age of the backlog. */
    observed_at: number
    origin: string
  }
  /** Replays that are not wholly in the backlog yet. */
  replays: {
    n: Generated<number>
    destination: string
    filter: string
    opening: number
    /** null: the owner of each partition sets the end. */
    through: number | null
    /** The partitions that are done. */
    queued: string
    created_at: number
  }
  attempts: {
    n: Generated<number>
    destination: string
    event_id: string
    /** The event's place in the history. The table is searched by it: unlike ids, places of one time are adjacent in an index. */
    event_n: number | null
    order_key: string
    attempt: number
    at: number
    outcome: string
    status_code: number | null
    ms: number
    error: string | null
    response: string | null
    /** As what the event was delivered; null: not known, the attempt is of an earlier version. */
    origin: string | null
  }
  dead_letters: {
    n: Generated<number>
    id: string
    destination: string
    event_id: string
    order_key: string
    sequence: number
    at: number
    attempts: number
    last_error: string
    holding: number
  }
  /** Dead letters that retention deleted, counted for good. */
  expired_dead_letters: {
    destination: string
    count: number
    last_at: number
  }
  /** Which version of its file each handler ran last. */
  handler_files: {
    id: string
    digest: string
  }
  offsets: {
    group_id: string
    partition: number
    position: number
    /** What is acknowledged beyond the position (`event-log/ahead.ts`); null: nothing is known. */
    ahead: string | null
  }
  paused_handlers: {
    id: string
    paused_at: number
  }
  poll_requests: {
    id: string
    connection: string
    request: string
    asked_at: number
    taken_at: number | null
    answer: string | null
  }
  order_reads: {
    connection: string
    order_id: string
    user_id: string | null
    announced: number
    asked_at: number
    next_at: number
    seen: string
  }
  reconciliations: {
    connection: string
    origin: number
    next_at: number
    running: string | null
    last_at: number | null
    last_orders: number | null
    last_events: number | null
    error: string | null
  }
  backfills: {
    id: string
    connection: string
    since: number
    until: number | null
    asked_at: number
    progress: string | null
    ended_at: number | null
    error: string | null
  }
  keys: {
    id: string
    name: string
    role: string
    digest: string
    created_at: number
    last_used_at: number | null
  }
  /** Signed-in browsers; subscribers' links and browsers (`endpoint`). */
  sessions: {
    digest: string
    key_digest: string | null
    endpoint: string | null
    may: string | null
    created_at: number
    seen_at: number
    expires_at: number
  }
  /** What connections of one vendor project share. */
  projects: {
    id: string
    /** Encrypted; null: none yet. */
    token: string | null
    version: number
    /** Until when requests are booked. */
    booked_until: number
  }
  /** What was last announced of one subject to one receiver of alerts. */
  alert_states: {
    alert: string
    subject: string
    condition: string | null
    since: number | null
    announced: string | null
    announced_at: number | null
    mark: number
  }
  /** Notices that are still to be sent. */
  alert_notices: {
    n: Generated<number>
    alert: string
    subject: string
    body: string
    created_at: number
    next_at: number
    attempts: number
  }
  schema_version: {
    version: number
    at: number
  }
}
