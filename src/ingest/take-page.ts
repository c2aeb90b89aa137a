import type { Vendor } from '../../schemas/common.ts'
import type { Doubt, OrderSnapshot } from '../../schemas/order.ts'
import type { Clock } from '../clock.ts'
import type { Log, Metrics } from '../observe.ts'
import { decide } from '../order/decide.ts'
import type { EventRecord } from '../order/event-record.ts'
import { NEW_ORDER } from '../order/state.ts'
import type { OrderSource, Page, ReadOptions, Reject } from '../sources/source.ts'
import type { Lease } from '../store/port/leases.ts'
import type { OrderRow } from '../store/port/orders.ts'
import type { Store } from '../store/store.ts'
import { digestOf } from './digest.ts'
import { createMutex } from './mutex.ts'

/** What became of the rows of one page. */
export interface Taken {
  readonly rows: number
  readonly changed: readonly OrderRow[]
  readonly events: readonly EventRecord[]
  readonly quarantined: number
}

export interface TakeOptions extends ReadOptions {
  /** Take unchanged orders as well (something besides the row may have changed). */
  readonly force?: boolean
  readonly dryRun?: boolean
  /** The page came from `fetch`: nothing is left to complete. */
  readonly complete?: boolean
  readonly userId?: string
}

export type PageTaker = ReturnType<typeof createPageTaker>

/**
 * normalise → derive → store: takes the rows of a page, drops the unchanged, completes and derives the rest, and writes state, events
 * and quarantine in one transaction. Safe to repeat, and to run for overlapping pages at once: what is slow (the vendor) happens
 * before the state is loaded, and load-derive-commit is one at a time.
 */
export function createPageTaker(deps: {
  connection: string
  vendor: Vendor
  source: OrderSource
  store: Store
  clock: Clock
  log: Log
  metrics: Metrics
  /** Whether a commit publishes (the embedded log reads the store itself). */
  commitPublishes: boolean
}) {
  const { connection, vendor, source, store, clock, log, metrics } = deps
  const oneAtATime = createMutex()
  const seenRejects = createRejectMemory()

  return async function takePage(lease: Lease | null, page: Page, options: TakeOptions): Promise<Taken> {
    const digests = new Map(page.orders.map(snapshot => [snapshot.orderId, digestOf(snapshot)]))
    const listed = new Map(page.orders.map(snapshot => [snapshot.orderId, snapshot]))
    const changed = options.force ? [...listed.values()] : await withoutUnchanged([...listed.values()], digests)
    const rejects = page.rejects.filter(seenRejects.isNew)
    const complete = await completed(changed, options)
    const taken =
      complete.length + rejects.length === 0
        ? { events: [], changed: [] }
        : await oneAtATime(() => derive(lease, complete, rejects, digests, options))
    if (!options.dryRun) rejects.forEach(seenRejects.remember)
    const doubtful = complete.filter(({ doubts }) => doubts.length > 0).length
    count(page, changed.length, page.rejects.length + doubtful, taken.events)
    return { rows: page.orders.length + page.rejects.length, ...taken, quarantined: page.rejects.length + doubtful }
  }

  async function withoutUnchanged(
    snapshots: readonly OrderSnapshot[],
    digests: ReadonlyMap<string, string>,
  ): Promise<readonly OrderSnapshot[]> {
    if (snapshots.length === 0) return snapshots
    const known = await store.orders.digests(connection, [...digests.keys()])
    return snapshots.filter(({ orderId }) => known.get(orderId)?.digest !== digests.get(orderId))
  }

  async function completed(
    snapshots: readonly OrderSnapshot[],
    options: TakeOptions,
  ): Promise<readonly OrderSnapshot[]> {
    if (!source.complete || options.complete || snapshots.length === 0) return snapshots
    return source.complete(snapshots, options)
  }

  async function derive(
    lease: Lease | null,
    snapshots: readonly OrderSnapshot[],
    rejects: readonly Reject[],
    digests: ReadonlyMap<string, string>,
    options: TakeOptions,
  ): Promise<{ events: readonly EventRecord[]; changed: readonly OrderRow[] }> {
    const rejected = rejects.flatMap(({ orderId }) => (orderId === null ? [] : [orderId]))
    const known = await store.orders.load(connection, [...snapshots.map(({ orderId }) => orderId), ...rejected])
    const observedAt = clock.now()
    const events: EventRecord[] = []
    const orders: OrderRow[] = []
    for (const snapshot of snapshots) {
      const before = known.get(snapshot.orderId)
      const decision = decide(before?.state ?? NEW_ORDER, { connection, vendor, snapshot, observedAt })
      events.push(...decision.events)
      orders.push({
        connection,
        orderId: snapshot.orderId,
        userId: options.userId ?? before?.userId ?? null,
        digest: digests.get(snapshot.orderId) ?? '',
        state: decision.state,
        snapshot,
        observedAt,
        recheckAt: decision.recheckAt,
      })
      for (const note of decision.notes) log.warn({ connection, order: snapshot.orderId }, note)
    }
    if (options.dryRun || !lease) return { events, changed: orders }
    const readable = new Set(snapshots.map(({ orderId }) => orderId))
    await store.orders.commit(lease, {
      connection,
      // A known order that cannot be read now loses its digest, so that it is taken up again once it can.
      orders: [...orders, ...rejected.filter(id => !readable.has(id)).flatMap(id => unread(known.get(id)))],
      events,
      publishedAt: deps.commitPublishes ? observedAt : null,
      doubts: [
        ...snapshots.map(({ orderId, doubts }) => ({ orderId, entries: doubts, at: observedAt })),
        ...rejects.map(reject => ({ orderId: reject.orderId, entries: [entry(reject)], at: observedAt })),
      ],
    })
    return { events, changed: orders }
  }

  function count(page: Page, changed: number, quarantined: number, events: readonly EventRecord[]): void {
    metrics.ordersObserved.inc({ connection, outcome: 'changed' }, changed)
    metrics.ordersObserved.inc({ connection, outcome: 'unchanged' }, page.orders.length - changed)
    metrics.ordersObserved.inc({ connection, outcome: 'quarantined' }, quarantined)
    for (const { type } of events) metrics.events.inc({ connection, type })
  }
}

const unread = (row: OrderRow | undefined): OrderRow[] => (row ? [{ ...row, digest: '' }] : [])
const entry = ({ path, value, reason }: Reject): Doubt => ({ path, value, reason })

const REMEMBERED_REJECTS = 1_000

/** So that the same bad row, seen by every poll of an overlap, is written once. */
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
