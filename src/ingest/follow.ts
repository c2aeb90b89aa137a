import type { OrderSnapshot } from '../../schemas/order.ts'
import { doubled } from '../lib/back-off.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { FollowFeed, OrderRef, OrderSource } from '../sources/source.ts'
import type { Follow } from '../store/port/follows.ts'
import type { Lease } from '../store/port/leases.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { AppliedPage, ApplyOptions, ApplyPage } from './apply-page.ts'
import { detectEndlessPages } from './read-window.ts'
import { mayBeOfPage } from './unreadable.ts'

/** Polls of vendors without a change feed: read followed orders and users, fresh and moving ones often, old and finished ones rarely. */

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** At most so many follows in one poll, earliest due first. */
const ROUND = 100

/** After so many failures in a row the vendor is taken to be in trouble. */
const MOST_FAILURES = 3
const FAILED_PAUSE_MS = 30_000
/** A follow that keeps failing is read more and more rarely, but at least this often. */
const LONGEST_FAILED_PAUSE_MS = HOUR

/** An error that may concern this one order or user only. */
const isOfOne = (error: unknown): error is AppError =>
  error instanceof AppError &&
  error.intent === 'retry' &&
  error.retryAfterMs === undefined &&
  !error.code.startsWith('store.')

/**
 * The promised delay between two readings: a sixtieth of the time since the last change. An order that changed a minute ago is read by
 * every poll, one that changed two days ago every 48 minutes. A user may place a new order at any time, so users are read more often.
 * `mostMs`: every follow is read at least this often, which is its reconciliation (case 47).
 */
function followDelay(options: {
  kind: Follow['kind']
  pollEveryMs: number
  sinceChangeMs: number
  finished: boolean
  mostMs: number
}): number {
  const { kind, pollEveryMs, sinceChangeMs, finished, mostMs } = options
  const longest = Math.min(kind === 'user' ? HOUR / 4 : DAY, mostMs)
  const shortest = finished && sinceChangeMs > HOUR ? 6 * HOUR : pollEveryMs
  return Math.max(Math.min(Math.max(sinceChangeMs / 60, shortest), longest), pollEveryMs)
}

/** No more changes are expected. */
function isFinished({ cancelled, delivered, refund }: OrderSnapshot): boolean {
  return cancelled !== null || delivered !== null || refund?.full === true
}

/** Reads the due follows, earliest first, at most `ROUND`. Returns the pages taken, and whether more are due. */
export async function followRound(
  deps: {
    connection: string
    pollEveryMs: number
    reconcile: { readonly every: number } | false
    source: OrderSource
    feed: FollowFeed
    store: Store
    clock: Clock
    log: Pick<Log, 'warn'>
    applyPage: ApplyPage
  },
  lease: Lease | null,
  options: ApplyOptions,
): Promise<{ taken: readonly AppliedPage[]; more: boolean }> {
  const { connection, store, clock, source, feed, applyPage, pollEveryMs, reconcile } = deps
  const due = lease
    ? await store.follows.due(connection, clock.now(), ROUND)
    : await store.follows.list(connection, { limit: ROUND })
  const taken: AppliedPage[] = []
  const failures: { follow: Follow; error: AppError }[] = []
  let inARow = 0
  let read = 0
  for (const follow of due) {
    try {
      const result = follow.kind === 'user' ? await takeUser(follow.id) : await takeOrder(follow)
      taken.push(...result.taken)
      await reschedule(follow, result)
      read++
      inARow = 0
    } catch (error) {
      // A failing follow waits and delays no other. Several in a row: the vendor is in trouble, and the poll ends.
      if (!isOfOne(error) || ++inARow === MOST_FAILURES) {
        for (const failure of failures) await putOff(failure.follow, FAILED_PAUSE_MS)
        throw error
      }
      failures.push({ follow, error })
    }
  }
  const [first] = failures
  if (first && read === 0) {
    for (const failure of failures) await putOff(failure.follow, FAILED_PAUSE_MS)
    throw first.error
  }
  for (const failure of failures) taken.push(...(await quarantine(failure)))
  return { taken, more: due.length === ROUND }

  async function putOff(follow: Follow, pauseMs: number): Promise<void> {
    if (lease) await store.follows.reschedule(lease, [{ ...follow, next: clock.now() + pauseMs }])
  }

  /** Others could be read, so this order itself is broken (case 43): it is in quarantine until it can be read. A user is only read again later. */
  async function quarantine({ follow, error }: { follow: Follow; error: AppError }): Promise<readonly AppliedPage[]> {
    const everyMs = Math.max(doubled(follow.everyMs, LONGEST_FAILED_PAUSE_MS), FAILED_PAUSE_MS)
    await putOff({ ...follow, everyMs }, everyMs)
    deps.log.warn(
      { connection, [follow.kind]: follow.id, error: error.message },
      'a followed order or user cannot be read; it is read again later, and the others go on',
    )
    if (follow.kind === 'user' || !mayBeOfPage(error)) return []
    const reject = { orderId: follow.id, path: '', value: 'absent', reason: `It cannot be read: ${error.message}` }
    const userId = follow.userId === null ? {} : { userId: follow.userId }
    return [await applyPage(lease, { orders: [], rejects: [reject] }, { ...options, ...userId })]
  }

  async function reschedule(
    follow: Follow,
    result: { taken: readonly AppliedPage[]; finished: boolean },
  ): Promise<void> {
    if (!lease) return
    const now = clock.now()
    const changedAt = result.taken.some(({ changed }) => changed.length > 0) ? now : follow.changedAt
    const everyMs = followDelay({
      kind: follow.kind,
      pollEveryMs,
      sinceChangeMs: now - changedAt,
      finished: result.finished,
      mostMs: reconcile === false ? DAY : reconcile.every,
    })
    await store.follows.reschedule(lease, [{ ...follow, changedAt, everyMs, next: now + everyMs }])
  }

  async function takeOrder({ id, userId }: Follow) {
    const ref: OrderRef = { orderId: id, userId }
    const page = await source.fetch([ref], options)
    const finished = page.orders.length > 0 && page.orders.every(isFinished)
    return {
      taken: [await applyPage(lease, page, { ...options, ...(userId === null ? {} : { userId }) })],
      finished,
    }
  }

  async function takeUser(userId: string) {
    const pages: AppliedPage[] = []
    const seen = new Set<string>()
    const note = detectEndlessPages()
    for (let at: string | null = null; ; ) {
      const page = await feed.readUserPage(userId, at, options)
      pages.push(await applyPage(lease, page, { ...options, userId }))
      if (page.next === null) return { taken: pages, finished: false }
      const before = seen.size
      for (const { orderId } of page.orders) seen.add(orderId)
      note(seen.size > before)
      at = page.next
    }
  }
}
