import type { Clock } from '../lib/clock.ts'
import type { OrderRef, OrderSource, Page, Window } from '../sources/source.ts'
import type { ConnectionPatch, ConnectionRow } from '../store/port/connections.ts'
import type { Lease } from '../store/port/leases.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { AppliedPage, ApplyOptions, ApplyPage } from './apply-page.ts'
import { followRound } from './follow.ts'
import type { SpanReaders } from './spans.ts'
import { noteworthy } from './vendor-clock.ts'
import { cutAt, fronts, without } from './window.ts'
import type { WindowReader } from './window-reader.ts'

/** What is known of the vendor's clock differs by seconds from answer to answer; by more only where a clock was set. */
const CLOCK_SET_MS = 60_000

/** What a poll needs to know of its connection. */
export interface PollTarget {
  readonly connection: string
  readonly source: OrderSource
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** The vendor's clock: ours may be minutes off. */
  readonly vendorNow: (signal: AbortSignal) => Promise<number>
  readonly applyPage: ApplyPage
  /** null: the vendor has no list of what changed. */
  readonly reader: WindowReader | null
  /** For spans that are read again by creation and by update time. null: as `reader`. */
  readonly spanReaders: SpanReaders | null
  readonly pollEveryMs: number
  readonly overlapMs: number
  /** Where the first poll begins, milliseconds since the epoch, given when the connection was first seen. */
  readonly backfillFrom: (firstSeenAt: number) => number
  /** How often recent orders are read again, and how far back, milliseconds; false: never. */
  readonly reconcile: { readonly every: number; readonly lookBack: number } | false
  /** The vendor may send us webhooks of this connection. */
  readonly takesWebhooks: boolean
}

export interface Round {
  readonly taken: readonly AppliedPage[]
  /** What the poll changes of its connection, once all of it is stored. */
  readonly patch: ConnectionPatch
  /** More is due now. */
  readonly more: boolean
}

/**
 * One poll (`lease` null: a dry run). Reads what changed since the cursor, and again what changed shortly before it; each page is normalised, derived and stored
 * in one transaction (`applyPage`); the cursor moves last, so whatever dies in between is read again and changes nothing.
 */
export async function poll(polled: PollTarget, lease: Lease | null, options: ApplyOptions): Promise<Round> {
  const { connection, source, store, clock, applyPage, reader, overlapMs } = polled
  const taken: AppliedPage[] = []
  const take = async (page: Page) => void taken.push(await applyPage(lease, page, options))

  if (source.feed.kind === 'follow' || reader === null) {
    if (source.feed.kind !== 'follow') return { taken, more: false, patch: {} }
    const round = await followRound({ ...polled, feed: source.feed }, lease, options)
    return { taken: round.taken, more: round.more, patch: round.more ? {} : { cursor: clock.now() } }
  }

  const row = await store.connections.get(connection)
  const { cursor = null, reached = null } = row ?? {}
  const firstSeenAt = cursor === null ? await firstSeen(polled, row, lease) : clock.now()
  const now = await polled.vendorNow(options.signal)
  const ours = clock.now()
  const { precisionMs } = reader
  const seenAt = firstSeenAt + Math.min(0, now - ours)
  const backfillFrom = Math.min(polled.backfillFrom(seenAt), seenAt - overlapMs)
  const plan = fronts({ cursor, reached, overlapMs, backfillFrom, precisionMs, clocks: [now, ours] })
  const job = { lease, take, options }
  const later: Window[] = []
  for (const {
    window,
    live: { from: edge },
    looksBack,
  } of plan)
    for (const part of without(window, await reader.spans(), precisionMs)) {
      const { live, gap } = cutAt(part, edge, precisionMs)
      const reading = await reader.readWhole(part, job)
      if (reading === 'too-large') await reader.readWindow(live, job)
      // Between two pages a row may have left and a late one come: the count stays the same, and one between them was skipped. The next
      // polls find it in the overlap; what is older, where none can come any more, is read once more by itself.
      if (gap && (reading === 'too-large' || (reading === 'in-pages' && looksBack))) later.push(gap)
    }
  const present = await polled.vendorNow(options.signal)
  // Our clock was set since the vendor's was last known, so the first look back began too late; what lies before it would never be
  // looked for again. So the next poll is the first once more.
  if (cursor === null && present < now - CLOCK_SET_MS) return { taken, more: false, patch: {} }
  const [slow, fast = slow] = plan.map(front => front.window)
  // Never beyond the vendor's present: a cursor in the future would skip what happens until then. Nor beyond ours, for the vendor's
  // is known from a header, which anything between may have written.
  const patch = {
    cursor: Math.min(slow?.to ?? present, present, clock.now()),
    reached: fast?.to ?? present,
    clockAheadMs: noteworthy(present - clock.now()),
  }
  return { taken, more: false, patch: { ...patch, ...(later.length > 0 && { gaps: { opened: later } }) } }
}

/**
 * When the first poll of this connection was tried. It is stored before anything is asked, so that a vendor that is down, or refuses us,
 * does not move where reading begins. A clock that was set back since counts as it is now.
 */
async function firstSeen(
  { connection, store, clock }: PollTarget,
  row: ConnectionRow | null,
  lease: Lease | null,
): Promise<number> {
  const now = clock.now()
  const known = row?.firstSeenAt ?? null
  if (known !== null && known <= now) return known
  if (lease) await store.connections.update(lease, connection, { firstSeenAt: now })
  return now
}

/** Reads these orders themselves, changed or not. An order the vendor does not know (any more) yields nothing. */
export async function pollOrders(
  { connection, source, store, applyPage }: Pick<PollTarget, 'connection' | 'source' | 'store' | 'applyPage'>,
  lease: Lease | null,
  refs: readonly OrderRef[],
  options: ApplyOptions,
): Promise<AppliedPage> {
  const known = await store.orders.load(
    connection,
    refs.map(({ orderId }) => orderId),
  )
  const complete = refs.map(({ orderId, userId }) => ({
    orderId,
    userId: userId ?? known.get(orderId)?.userId ?? null,
  }))
  const page = await source.fetch(complete, options)
  const [only] = complete
  const userId = complete.length === 1 && only?.userId ? { userId: only.userId } : {}
  return applyPage(lease, page, { ...options, ...userId, force: true, complete: true })
}
