import { type Kysely, sql } from 'kysely'
import type { Schema } from '../sql/tables.ts'
import type { ColumnTypes } from './migration.ts'

/** The first schema. Every index is there for one statement; the comment says which. */
export async function start(db: Kysely<Schema>, { serial, int, key, text }: ColumnTypes): Promise<void> {
  const run = (statement: ReturnType<typeof sql>) => statement.execute(db)

  await run(sql`create table connections (
    id ${key} primary key, vendor ${text} not null, cursor ${int}, gaps ${text} not null, state ${text} not null,
    last_success_at ${int}, next_poll_at ${int}, last_error ${text}, fingerprint ${text} not null,
    webhook_at ${int}, unannounced ${int} not null default 0, unannounced_since ${int})`)

  await run(sql`create table leases (
    name ${key} primary key, owner ${text}, epoch ${int} not null, expires_at ${int} not null)`)

  // digest and recheck_at stand before the documents, so that reading them leaves the long rest alone.
  await run(sql`create table orders (
    connection ${key} not null, order_id ${key} not null, digest ${text} not null, recheck_at ${int}, user_id ${text},
    observed_at ${int} not null, state ${text} not null, snapshot ${text} not null,
    primary key (connection, order_id))`)
  // orders.due
  await run(sql`create index orders_recheck on orders (connection, recheck_at) where recheck_at is not null`)

  await run(sql`create table events (
    n ${serial}, id ${key} not null unique, type ${key} not null, connection ${key} not null, order_id ${key} not null,
    order_key ${key} not null, sequence ${int} not null, occurred_at ${int} not null, occurred_at_source ${text} not null,
    observed_at ${int} not null, published_at ${int}, body ${text} not null,
    unique (order_id, connection, sequence))`)
  // events.list: one branch for each type and connection asked for; bounds of time become bounds of n
  await run(sql`create index events_type on events (type, n)`)
  await run(sql`create index events_connection_type on events (connection, type, n)`)
  await run(sql`create index events_observed on events (observed_at, n)`)
  // events.unpublished
  await run(sql`create index events_unpublished on events (connection, n) where published_at is null`)

  await run(sql`create table follows (
    n ${serial}, connection ${key} not null, kind ${key} not null, id ${key} not null, user_id ${text},
    next_at ${int} not null, every_ms ${int} not null, changed_at ${int} not null, unique (connection, kind, id))`)
  // follows.due; follows.list
  await run(sql`create index follows_due on follows (connection, next_at)`)
  await run(sql`create index follows_list on follows (connection, n)`)

  await run(sql`create table quarantine (
    n ${serial}, id ${key} not null unique, connection ${key} not null, order_id ${key}, at ${int} not null,
    reason ${text} not null, path ${text} not null, value ${text} not null)`)
  // orders.commit, which replaces the entries of each order
  await run(sql`create index quarantine_order on quarantine (connection, order_id)`)

  await run(sql`create table endpoints (
    id ${key} primary key, url ${text} not null, types ${text}, connections ${text}, secret ${text} not null,
    previous_secret ${text}, previous_valid_until ${int}, filter ${text}, headers ${text}, delivery ${text},
    description ${text}, state ${text} not null,
    state_reason ${text}, rest_until ${int}, declared ${int} not null, created_at ${int} not null, updated_at ${int} not null)`)

  await run(sql`create table lanes (
    destination ${key} not null, order_key ${key} not null, key_hash ${int} not null, next_at ${int} not null,
    attempt ${int} not null, held ${int} not null, primary key (destination, order_key))`)
  // lanes.due, lanes.nextDue
  await run(sql`create index lanes_due on lanes (destination, next_at) where held = 0`)

  await run(sql`create table backlog (
    n ${serial}, destination ${key} not null, order_key ${key} not null, sequence ${int} not null, event_id ${key} not null,
    observed_at ${int} not null, origin ${text} not null, unique (destination, order_key, sequence))`)
  // deliveries.list of what waits; lanes.backlog counts on the index alone
  await run(sql`create index backlog_destination on backlog (destination, n, observed_at)`)
  // deliveries of one event; prune
  await run(sql`create index backlog_event on backlog (event_id, destination)`)

  // A handful of rows at a time; whoever asks wants all of them.
  await run(sql`create table replays (
    n ${serial}, destination ${key} not null, filter ${text} not null, opening ${int} not null, through ${int},
    queued ${text} not null, created_at ${int} not null)`)
  await run(sql`create table claims (
    group_id ${key} not null, partition ${int} not null, epoch ${int} not null, primary key (group_id, partition))`)

  await run(sql`create table attempts (
    n ${serial}, destination ${key} not null, event_id ${key} not null, event_n ${int}, order_key ${key} not null, attempt ${int} not null,
    at ${int} not null, outcome ${text} not null, status_code ${int}, ms ${int} not null, error ${text}, response ${text})`)
  // deliveries.stats and list of one destination
  await run(sql`create index attempts_destination on attempts (destination, n)`)
  // the attempts of one delivery; by n and not by id, which would dirty a page of the index for each row written
  await run(sql`create index attempts_event on attempts (event_n, destination)`)

  await run(sql`create table dead_letters (
    n ${serial}, id ${key} not null unique, destination ${key} not null, event_id ${key} not null, order_key ${key} not null,
    sequence ${int} not null, at ${int} not null, attempts ${int} not null, last_error ${text} not null,
    holding ${int} not null, unique (event_id, destination))`)
  // redrive walks lane by lane; a lane asks for its holder
  await run(sql`create index dead_letters_lane on dead_letters (destination, order_key, sequence)`)
  await run(sql`create index dead_letters_list on dead_letters (destination, n)`)

  await run(sql`create table offsets (
    group_id ${key} not null, partition ${int} not null, position ${int} not null, primary key (group_id, partition))`)

  await run(sql`create table poll_requests (
    id ${key} primary key, connection ${key} not null, request ${text} not null, asked_at ${int} not null, taken_at ${int},
    answer ${text})`)
  // pollRequests.take, once a second in every process of a cluster
  await run(sql`create index poll_requests_waiting on poll_requests (connection) where taken_at is null`)

  await run(sql`create table keys (
    id ${key} primary key, name ${text} not null, role ${key} not null, digest ${key} not null unique,
    created_at ${int} not null, last_used_at ${int})`)
}
