import type { Clock } from '../clock.ts'
import type { OrderRef, OrderSource, Page } from '../sources/source.ts'
import type { ConnectionPatch } from '../store/port/connections.ts'
import type { Lease } from '../store/port/leases.ts'
import type { Store } from '../store/store.ts'
import { followRound } from './follow.ts'
import { readWhole, readWindow } from './read-window.ts'
import type { PageTaker, Taken, TakeOptions } from './take-page.ts'
import { looksBack, split, whole } from './window.ts'

/** What is known of the vendor's clock differs by seconds from answer to answer; by more only where a clock was set. */
const CLOCK_SET_MS = 60_000

/** What a poll needs to know of its connection. */
export interface Polled {
  readonly connection: string
  readonly source: OrderSource
  readonly store: Store
  readonly clock: Clock
  /** The vendor's clock: ours may be minutes off. */
  readonly vendorNow: (signal: AbortSignal) => Promise<number>
  readonly takePage: PageTaker
  readonly pollEveryMs: number
  readonly overlapMs: number
  /** Where the first poll begins, milliseconds since the epoch, given the vendor's time. */
  readonly backfillFrom: (now: number) => number
  /** How often recent orders are read again, and how far back, milliseconds; false: never. */
  readonly reconcile: { readonly every: number; readonly lookBack: number } | false
  /** The vendor may send us webhooks of this connection. */
  readonly takesWebhooks: boolean
}

export interface Round {
  readonly taken: readonly Taken[]
  /** What the poll changes of its connection, once all of it is stored. */
  readonly patch: ConnectionPatch
  /** More is due now. */
  readonly more: boolean
}

/**
 * One poll (`lease` null: a dry run). Reads what changed since the cursor, and again what changed shortly before it; each page is normalised, derived and stored
 * in one transaction (`takePage`); the cursor moves last, so whatever dies in between is read again and changes nothing.
 */
export async function poll(polled: Polled, lease: Lease | null, options: TakeOptions): Promise<Round> {
  const { connection, source, store, takePage } = polled
  const taken: Taken[] = []
  const take = async (page: Page) => void taken.push(await takePage(lease, page, options))

  if (source.feed.kind === 'follow') {
    const round = await followRound({ ...polled, feed: source.feed }, lease, options)
    return { taken: round.taken, more: round.more, patch: round.more ? {} : { cursor: polled.clock.now() } }
  }

  const { feed } = source
  const { cursor = null } = (await store.connections.get(connection)) ?? {}
  const now = await polled.vendorNow(options.signal)
  const reach = { ...polled, cursor, now, backfillFrom: polled.backfillFrom(now), precisionMs: feed.precisionMs }
  const { live, gap } = split(reach)
  const reading = await readWhole(feed, whole(reach), take, options)
  if (reading === 'too-large') await readWindow(feed, live, take, options)
  // Between two pages a row may have left and a late one come: the count stays the same, and one between them was skipped. The next
  // polls find it in the overlap; what is older, where none can come any more, is read once more by itself.
  const later = reading === 'too-large' || (reading === 'in-pages' && looksBack(reach)) ? gap : null
  const present = await polled.vendorNow(options.signal)
  // Our clock was set since the vendor's was last known, so the first look back began too late; what lies before it would never be
  // looked for again. So the next poll is the first once more.
  if (cursor === null && present < now - CLOCK_SET_MS) return { taken, more: false, patch: {} }
  // Never beyond the vendor's present: a cursor in the future would skip what happens until then. Nor beyond ours, for the vendor's
  // is known from a header, which anything between may have written.
  const reached = Math.min(live.to, present, polled.clock.now())
  return { taken, more: false, patch: { cursor: reached, ...(later && { gaps: { opened: [later] } }) } }
}

/** Reads these orders themselves, changed or not. An order the vendor does not know (any more) yields nothing. */
export async function pollOrders(
  { connection, source, store, takePage }: Pick<Polled, 'connection' | 'source' | 'store' | 'takePage'>,
  lease: Lease | null,
  refs: readonly OrderRef[],
  options: TakeOptions,
): Promise<Taken> {
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
  return takePage(lease, page, { ...options, ...userId, force: true, complete: true })
}
