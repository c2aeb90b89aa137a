import { hash } from 'node:crypto'
import type { OrderSnapshot } from '../../schemas/order.ts'
import { messageOf } from '../lib/errors.ts'
import type { FeedPage, WindowFeed } from '../sources/source.ts'
import type { Reconciliation } from '../store/port/passes.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { HeldLease } from './lease.ts'
import type { PassDeps } from './poll-target.ts'
import { isStoreError, restAfter } from './rest-after.ts'
import { begin, FURTHEST_ZONE_MS, readSpans } from './spans.ts'

const FIRST_REST_MS = 15_000
/** Due times are by the wall clock, which may be set: look again this often. */
const LONGEST_SLEEP_MS = 600_000

/**
 * Reads recent orders again at intervals, and publishes what no poll could find (case 47): changes without a new update time, orders that
 * empty lists hid during an outage, orders of a shop that reads filters in its own time zone. Its priority is below that of polls.
 * Connections with follows need none: each follow is read whole at least once in the interval.
 */
export function createReconciler(deps: PassDeps & { metrics: Metrics }) {
  const { polled, clock, log, metrics, took, onTrouble } = deps
  const { connection, store, applyPage } = polled

  /** Works until the lease ends. Returns at once if reconciliation is off or not needed. */
  async function run(held: HeldLease): Promise<void> {
    const { feed } = polled.source
    if (polled.reconcile === false || feed.kind !== 'window') return
    const { every } = polled.reconcile
    let row = await known(held, every)
    let failures = 0
    while (!held.signal.aborted) {
      const latest = clock.now() + every
      if (row.nextAt > latest) {
        // The clock was set back, or the configuration shortened the interval.
        row = { ...row, nextAt: latest }
        await store.reconciliations.put(held.lease, row)
      }
      const pause = row.running ? 0 : row.nextAt - clock.now()
      if (pause > 0) {
        await clock.sleep(Math.min(pause, LONGEST_SLEEP_MS), held.signal)
        continue
      }
      try {
        row = await reconciled(held, feed, row, saved => {
          row = saved
        })
        failures = 0
        onTrouble(null)
      } catch (error) {
        if (held.signal.aborted) return
        if (isStoreError(error)) throw error
        failures++
        onTrouble(error)
        log.warn({ error: messageOf(error) }, 'reconciliation interrupted; it continues where it stopped')
        row = { ...row, error: messageOf(error) }
        await store.reconciliations.put(held.lease, row)
        const firstMs = Math.min(FIRST_REST_MS, every)
        await restAfter(error, { ...deps, failures, firstMs, signal: held.signal })
      }
    }
  }

  /** The stored row, or a new one. The first time is spread by the name of the connection, so that they do not all begin at once. */
  async function known({ lease, signal }: HeldLease, every: number): Promise<Reconciliation> {
    const kept = await store.reconciliations.get(connection)
    if (kept) return kept
    const now = clock.now()
    const share = hash('sha1', connection, 'buffer').readUInt32BE(0) / 2 ** 32
    const row: Reconciliation = {
      connection,
      origin: await originOf(Math.min(now, await polled.vendorNow(signal).catch(() => now))),
      nextAt: now + Math.round((0.1 + 0.9 * share) * every),
      running: null,
      last: null,
      error: null,
    }
    await store.reconciliations.put(lease, row)
    return row
  }

  /** Where the first poll began. For a store that is older than reconciliation: when its first event was observed. */
  async function originOf(now: number): Promise<number> {
    const first = polled.backfillFrom(now)
    const row = await store.connections.get(connection)
    if (!row || row.cursor === null) return first
    const [oldest] = await store.events.list({ connections: [connection] }, { limit: 1 })
    return Math.min(first, row.cursor, oldest?.observedAt ?? now) - polled.overlapMs
  }

  async function reconciled(
    { lease, signal }: HeldLease,
    feed: WindowFeed,
    row: Reconciliation,
    keep: (row: Reconciliation) => void,
  ): Promise<Reconciliation> {
    const { every, lookBack } = polled.reconcile || { every: 0, lookBack: 0 }
    const options = { signal, priority: 'backfill' as const }
    const save = async (change: Partial<Reconciliation>) => {
      row = { ...row, ...change }
      await store.reconciliations.put(lease, row)
      keep(row)
    }
    if (!row.running) {
      const now = await polled.vendorNow(signal)
      const window = { from: now - lookBack - FURTHEST_ZONE_MS, to: now + FURTHEST_ZONE_MS }
      await save({ running: begin(feed, window, clock.now()), error: null })
    }
    const { running } = row
    const readers = polled.spanReaders
    if (!running || !readers) return row
    const take = (page: FeedPage) => takeMissed(page, row.origin)
    const progress = await readSpans(
      { readers, lease, progress: running, take, save: to => save({ running: to }) },
      options,
    )
    if (signal.aborted) return row
    const now = clock.now()
    const { beganAt, orders, events } = progress
    // After a long reconciliation leave as much time to other work.
    const nextAt = Math.max(beganAt + every, now + Math.min(Math.max(now - beganAt, 0), every))
    await save({ running: null, last: { at: now, orders, events }, nextAt: Math.min(nextAt, now + every), error: null })
    if (events > 0) log.warn({ orders, events }, 'reconciliation found and published events that no poll had shown')
    else log.info({ orders }, 'reconciled; polls had shown everything')
    return row

    async function takeMissed(page: FeedPage, origin: number): Promise<number> {
      const { cursor = null } = (await store.connections.get(connection)) ?? {}
      const ids = page.orders.map(({ orderId }) => orderId)
      const before = await store.orders.digests(connection, ids)
      // Skip unknown orders from before the connection was set up: `backfill` says how far back they are wanted.
      const ours = page.orders.filter(order => before.has(order.orderId) || (lastChange(order) ?? origin) >= origin)
      const taken = await applyPage(lease, { ...page, orders: ours }, options)
      took([taken])
      // Polls missed only changes behind the cursor; the others come with the next poll.
      const passed = new Set(
        ours.filter(order => (lastUpdate(order) ?? 0) <= (cursor ?? 0)).map(({ orderId }) => orderId),
      )
      const missed = taken.events.filter(({ orderId }) => passed.has(orderId)).length
      if (missed > 0) metrics.reconciledEvents.inc({ connection }, missed)
      return missed
    }
  }

  return { run }
}

const lastUpdate = ({ updatedAt }: OrderSnapshot): number | null => (updatedAt === null ? null : Date.parse(updatedAt))

function lastChange({ placedAt, updatedAt }: OrderSnapshot): number | null {
  const times = [placedAt, updatedAt].flatMap(time => (time === null ? [] : [Date.parse(time)]))
  return times.length === 0 ? null : Math.max(...times)
}
