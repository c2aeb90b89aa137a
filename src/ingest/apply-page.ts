import { hash } from 'node:crypto'
import type { Vendor } from '../../schemas/common.ts'
import type { Doubt, OrderSnapshot } from '../../schemas/order.ts'
import type { OrderEvent } from '../../schemas/order-event.ts'
import type { Clock } from '../lib/clock.ts'
import { createMutex } from '../lib/mutex.ts'
import { decide } from '../order/decide.ts'
import type { EventRecord } from '../order/event-record.ts'
import { snapshotText } from '../order/snapshot-text.ts'
import { NEW_ORDER, type OrderState } from '../order/state.ts'
import { isTrackingForgotten, recallTracking } from '../order/tracking.ts'
import type { OrderSource, Page, ReadOptions, Reject } from '../sources/source.ts'
import type { Lease } from '../store/port/leases.ts'
import type { OrderRow } from '../store/port/orders.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { tracing } from '../telemetry/tracing.ts'
import type { RowMemory } from './row-memory.ts'
import { tidySnapshot } from './tidy-snapshot.ts'

/** Raise it when the same snapshot may prove more than before: then each order is derived again when it is next seen. */
const DERIVATION = 1
/** The first and the longest pause before an order is read again (`nextRecheck`). */
const [FIRST_RECHECK_MS, LAST_RECHECK_MS] = [60_000, 86_400_000]

/** What became of the rows of one page. */
export interface AppliedPage {
  readonly rows: number
  readonly changed: readonly OrderRow[]
  readonly events: readonly EventRecord[]
  readonly quarantined: number
}

export interface ApplyOptions extends ReadOptions {
  /** Derive unchanged orders as well: something besides the row may have changed. */
  readonly force?: boolean
  readonly dryRun?: boolean
  /** The page came from `fetch`: nothing is left to complete. */
  readonly complete?: boolean
  readonly userId?: string
}

export type ApplyPage = ReturnType<typeof createPageApplier>

/**
 * normalise → derive → store: drops the unchanged orders of a page, completes and derives the rest, and writes state, events and
 * quarantine entries in one transaction. Safe to repeat, and to run for overlapping pages at once: the vendor is asked before the state
 * is loaded, and load-derive-commit runs one at a time.
 */
export function createPageApplier(deps: {
  connection: string
  vendor: Vendor
  source: OrderSource
  store: Store
  clock: Clock
  log: Log
  metrics: Metrics
  /** Whether a commit publishes (the embedded log reads the store itself). */
  commitPublishes: boolean
  /** Whether events carry free-text reasons. */
  reasons: boolean
  /** Learns which rows show nothing new, and which orders are written. */
  memory: RowMemory
}) {
  const { connection, vendor, source, store, clock, log, metrics, memory } = deps
  const oneAtATime = createMutex()
  const seenRejects = createRejectMemory()

  return async function applyPage(lease: Lease | null, given: Page, options: ApplyOptions): Promise<AppliedPage> {
    const { skipped, ...page } = withForgotten(given)
    const listed = new Map(page.orders.map(order => [order.orderId, { order, digest: digestOf(order) }]))
    const changed = options.force ? [...listed.values()].map(({ order }) => order) : await changedOf(listed, page)
    const rejects = page.rejects.filter(seenRejects.isNew)
    const complete = (await completed(changed, options)).map(order => tidySnapshot(order, deps))
    const taken =
      complete.length + rejects.length === 0
        ? { events: [], changed: [] }
        : await oneAtATime(() => derive(lease, { complete, rejects, listed }, options))
    if (!options.dryRun) rejects.forEach(seenRejects.remember)
    const doubtful = complete.filter(({ doubts }) => doubts.length > 0).length
    const rows = { read: page.orders.length + skipped, rejected: page.rejects.length }
    count({ unchanged: rows.read - changed.length, changed: changed.length, quarantined: rows.rejected + doubtful })
    for (const { type } of taken.events) metrics.events.inc({ connection, type })
    return { rows: rows.read + rows.rejected, ...taken, quarantined: rows.rejected + doubtful }
  }

  /** Reads the skipped rows whose orders were written since the page was read. `skipped`: how many rows stay skipped. */
  function withForgotten(page: Page): Omit<Page, 'skipped'> & { readonly skipped: number } {
    const { skipped: all, ...rest } = page
    if (!all) return { ...rest, skipped: 0 }
    memory.listed(all.rows)
    const again = all.rows.flatMap((row, at) => (memory.has(row) ? [] : [all.read(at)]))
    const orders = again.flatMap(row => ('reason' in row ? [] : [row]))
    const rejects = again.flatMap(row => ('reason' in row ? [row] : []))
    return {
      ...rest,
      orders: [...page.orders, ...orders],
      rejects: [...page.rejects, ...rejects],
      skipped: all.rows.length - again.length,
    }
  }

  async function changedOf(listed: Listed, page: Pick<Page, 'bytes'>): Promise<readonly OrderSnapshot[]> {
    if (listed.size === 0) return []
    const moment = memory.moment()
    const known = await store.orders.digests(connection, [...listed.keys()])
    const changed: OrderSnapshot[] = []
    const unchanged: OrderSnapshot[] = []
    for (const { order, digest } of listed.values())
      (known.get(order.orderId)?.digest === digest ? unchanged : changed).push(order)
    if (page.bytes) memory.remember(moment, unchanged, page.bytes)
    return changed
  }

  async function completed(
    snapshots: readonly OrderSnapshot[],
    options: ApplyOptions,
  ): Promise<readonly OrderSnapshot[]> {
    if (!source.complete || options.complete || snapshots.length === 0) return snapshots
    return source.complete(snapshots, options)
  }

  async function derive(
    lease: Lease | null,
    { complete, rejects, listed }: { complete: readonly OrderSnapshot[]; rejects: readonly Reject[]; listed: Listed },
    options: ApplyOptions,
  ): Promise<{ events: readonly EventRecord[]; changed: readonly OrderRow[] }> {
    const rejected = rejects.flatMap(({ orderId }) => (orderId === null ? [] : [orderId]))
    const known = await store.orders.load(connection, [...complete.map(({ orderId }) => orderId), ...rejected])
    const observedAt = clock.now()
    const events: EventRecord[] = []
    const orders: OrderRow[] = []
    for (const snapshot of complete) {
      const before = known.get(snapshot.orderId)
      const state = before ? await recalled(before, snapshot) : NEW_ORDER
      const decision = decide(state, { connection, vendor, snapshot, observedAt })
      const { order: row = null, digest = '' } = listed.get(snapshot.orderId) ?? {}
      const doubtful = nextRecheck({ snapshot, row: options.complete ? null : row, before, observedAt })
      events.push(...decision.events)
      orders.push({
        connection,
        orderId: snapshot.orderId,
        userId: options.userId ?? before?.userId ?? null,
        // A single order that is the same as before keeps the digest of its row, so the next page that lists it skips it.
        digest: options.complete && isSame(before, snapshot) ? before.digest : digest,
        state: decision.state,
        snapshot,
        observedAt,
        recheckAt: earlier(decision.recheckAt, doubtful),
      })
      for (const note of decision.notes) log.warn({ connection, order: snapshot.orderId }, note)
    }
    if (options.dryRun || !lease) return { events, changed: orders }
    const readable = new Set(complete.map(({ orderId }) => orderId))
    const written = memory.writing([...readable, ...rejected])
    const commit = store.orders.commit(lease, {
      connection,
      // A known order that is unreadable now loses its digest, so the first page that shows it readable derives it again.
      orders: [...orders, ...rejected.filter(id => !readable.has(id)).flatMap(id => unread(known.get(id)))],
      events,
      published: deps.commitPublishes,
      quarantine: [
        ...complete.map(({ orderId, doubts }) => ({ orderId, entries: doubts, at: observedAt })),
        ...rejects.map(reject => ({ orderId: reject.orderId, entries: [entry(reject)], at: observedAt })),
      ],
    })
    await commit.finally(written)
    tracing()?.observed(events)
    return { events, changed: orders }
  }

  /** States of version 1.0 do not hold what the shipped events said of carriers. Reads those events, once per order. */
  async function recalled({ state, orderId, ...before }: OrderRow, snapshot: OrderSnapshot): Promise<OrderState> {
    if (!isTrackingForgotten(state, snapshot)) return state
    const events = await store.events.ofOrder(connection, orderId)
    return recallTracking(
      state,
      events.map(({ body }) => JSON.parse(body) as OrderEvent),
      before.snapshot,
    )
  }

  function count(orders: Readonly<Record<'unchanged' | 'changed' | 'quarantined', number>>): void {
    for (const outcome of ['changed', 'unchanged', 'quarantined'] as const)
      metrics.ordersObserved.inc({ connection, outcome }, orders[outcome])
  }
}

/** The orders of a page as it lists them, by id. */
type Listed = ReadonlyMap<string, { order: OrderSnapshot; digest: string }>

const isSame = (before: OrderRow | undefined, snapshot: OrderSnapshot): before is OrderRow =>
  before !== undefined && snapshotText(before.snapshot) === snapshotText(snapshot)
const earlier = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.min(a, b)
const unread = (row: OrderRow | undefined): OrderRow[] => (row ? [{ ...row, digest: '' }] : [])
const entry = ({ path, value, reason }: Reject): Doubt => ({ path, value, reason })

/** The same digest means: nothing of this order that we read has changed. */
const digestOf = (snapshot: OrderSnapshot): string => hash('sha1', `${DERIVATION}${snapshotText(snapshot)}`, 'base64')

/**
 * When to read an order again whose quarantine entries only its own reading shows: no page shows a change once they are fixed. After a
 * minute, then after twice as long each time. null: a page shows the entries too, or a day has passed and a person has to act.
 * `row`: the order as a page listed it; null: it was read by itself.
 */
function nextRecheck(options: {
  snapshot: OrderSnapshot
  row: OrderSnapshot | null
  before: OrderRow | undefined
  observedAt: number
}): number | null {
  const { snapshot, row, before, observedAt } = options
  if (snapshot.doubts.length === 0) return null
  const waits = before !== undefined && before.recheckAt !== null && before.snapshot.doubts.length > 0
  const listed = new Set(row?.doubts.map(({ path, value }) => `${path} ${value}`))
  const isHidden = row === null ? waits : snapshot.doubts.some(({ path, value }) => !listed.has(`${path} ${value}`))
  if (!isHidden) return null
  const pause = waits ? Math.max(2 * (observedAt - before.observedAt), FIRST_RECHECK_MS) : FIRST_RECHECK_MS
  return pause > LAST_RECHECK_MS ? null : observedAt + pause
}

const REMEMBERED_REJECTS = 1_000

/** Remembers bad rows: each poll of an overlap sees the same row, which is written once. */
function createRejectMemory() {
  const seen = new Map<string, string>()
  const key = ({ orderId, path, value }: Reject) => JSON.stringify([orderId, path, orderId === null ? value : ''])
  const content = ({ value, reason }: Reject) => JSON.stringify([value, reason])
  return {
    isNew: (reject: Reject): boolean => seen.get(key(reject)) !== content(reject),
    remember: (reject: Reject): void => {
      seen.delete(key(reject))
      seen.set(key(reject), content(reject))
      const oldest = seen.keys().next()
      if (seen.size > REMEMBERED_REJECTS && !oldest.done) seen.delete(oldest.value)
    },
  }
}
