import { pauseAfter } from '../lib/back-off.ts'
import { timestamp } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Page } from '../sources/source.ts'
import type { Lease } from '../store/port/leases.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { AppliedPage } from './apply-page.ts'
import type { HeldLease } from './lease.ts'
import { poll } from './poll.ts'
import type { PollTarget } from './poll-target.ts'
import { readOrders } from './read-orders.ts'
import { isStoreError, STOPPED_PAUSE_MS } from './rest-after.ts'
import type { Troubles } from './troubles.ts'
import { clockWords } from './vendor-clock.ts'
import { isSilent } from './webhook-watch.ts'

const FIRST_BACKOFF_MS = 5_000
const LONGEST_BACKOFF_MS = 60_000
const RECHECKS = 50
const ABSENT_RECHECK_MS = 3_600_000
const UNREAD_RECHECK_MS = 60_000

export interface RoundResult {
  readonly taken: readonly AppliedPage[]
  /** Milliseconds until the next poll. null: it stays when it was due. */
  readonly pauseMs: number | null
  /** What went wrong; null: nothing. */
  readonly error: unknown
}

/** A round: rechecks single orders, polls, stores how it went, and decides when to poll again. One round at a time. */
export function createRounds(deps: { polled: PollTarget; troubles: Troubles; log: Log; metrics: Metrics }) {
  const { polled, troubles, log, metrics } = deps
  const { connection, store, clock, pollEveryMs } = polled
  let failures = 0
  /** The last round found the credentials refused. */
  let stopped = false
  let trouble: string | null = null
  let saidSilent = false
  /** Orders that could not be read again, and until when that is held to be so, by the clock that only goes forward. */
  const unreadable = new Map<string, number>()
  /** The last poll went well after one that failed: they are read at once, not when their turn comes. */
  let recovered = false
  let saidClock = false

  async function succeeded(lease: Lease, signal: AbortSignal): Promise<RoundResult> {
    const rechecked = await recheck(lease, signal)
    const { taken, patch, more } = await poll(polled, lease, { signal, priority: 'live' })
    const now = clock.now()
    const { gaps = [] } = (await store.connections.get(connection)) ?? {}
    const state = gaps.length > 0 || patch.gaps || more ? 'behind' : 'ok'
    const pauseMs = more ? 0 : pollEveryMs
    await troubles.polled(lease, {
      ...patch,
      state,
      lastSuccessAt: now,
      nextPollAt: now + pauseMs,
      lastError: null,
    })
    sayClock(patch.clockAheadMs ?? null)
    const revisited = await revisit(lease, signal)
    if (polled.takesWebhooks) await watchWebhooks(lease, taken)
    failures = 0
    stopped = false
    recovered = trouble !== null
    trouble = null
    return { taken: [...rechecked, ...taken, ...revisited], pauseMs, error: null }
  }

  /** Logs a difference of the clocks once, when it begins and when it ends. */
  function sayClock(aheadMs: number | null): void {
    if (aheadMs !== null && !saidClock) log.warn({ aheadSeconds: aheadMs / 1000 }, clockWords(aheadMs))
    if (aheadMs === null && saidClock) log.info("the vendor's clock and ours agree again")
    saidClock = aheadMs !== null
  }

  /** Reads the spans in quarantine that are due. Their failure does not fail the poll. */
  async function revisit(lease: Lease, signal: AbortSignal): Promise<readonly AppliedPage[]> {
    const taken: AppliedPage[] = []
    const options = { signal, priority: 'live' as const }
    const take = async (page: Page) => void taken.push(await polled.applyPage(lease, page, options))
    await polled.reader?.revisit({ lease, take, options }).catch((error: unknown) => {
      if (signal.aborted || isStoreError(error)) throw error
      log.debug({ error: messageOf(error) }, 'could not read again what is in quarantine')
    })
    return taken
  }

  /** Counts the changed orders that no webhook announced. An announced order was read before the poll, or its webhook resets the count. */
  async function watchWebhooks(lease: Lease, taken: readonly AppliedPage[]): Promise<void> {
    const changed = taken.reduce((sum, one) => sum + one.changed.length, 0)
    if (changed > 0) await store.connections.found(lease, connection, changed, clock.now())
    const row = await store.connections.get(connection)
    const silent = row !== null && isSilent(row, clock.now())
    if (silent && !saidSilent)
      log.warn(
        { lastWebhookAt: timestamp(row.webhookAt ?? 0), unannounced: row.unannounced },
        'no webhooks come any more, while polls find changes: look whether the vendor has deleted the subscription (it does after repeated failures) and create it again; polling goes on and misses nothing',
      )
    saidSilent = silent
  }

  async function failed(lease: Lease, error: unknown, onRequest: boolean): Promise<RoundResult> {
    const { intent, retryAfterMs = 0 } = error instanceof AppError ? error : { intent: 'retry' }
    trouble = messageOf(error)
    const firstMs = Math.min(pollEveryMs, FIRST_BACKOFF_MS)
    const backOff = pauseAfter(failures + 1, { firstMs, longestMs: LONGEST_BACKOFF_MS })
    // Polls on request while the vendor fails must not put off the next poll.
    const keepsSchedule = onRequest && (intent !== 'stop' || stopped)
    const pauseMs = keepsSchedule ? null : intent === 'stop' ? STOPPED_PAUSE_MS : Math.max(backOff, retryAfterMs)
    if (!onRequest) failures++
    stopped = intent === 'stop'
    await troubles.polled(lease, {
      state: intent === 'stop' ? 'stopped' : isRateLimit(error) ? 'behind' : 'failing',
      lastError: trouble,
      ...(pauseMs !== null && { nextPollAt: clock.now() + pauseMs }),
    })
    return { taken: [], pauseMs, error }
  }

  /** Orders that must be read again although the vendor may show no change, e.g. for a refund that is not on record yet. */
  async function recheck(lease: Lease, signal: AbortSignal): Promise<readonly AppliedPage[]> {
    const now = clock.now()
    const soon = recovered ? now + UNREAD_RECHECK_MS : now
    const due = (await store.orders.due(connection, soon, RECHECKS)).filter(
      ({ orderId, recheckAt }) => recheckAt <= now || unreadable.has(orderId),
    )
    recovered = false
    const taken = due.length > 0 ? await readAgain(lease, due, signal) : []
    // What was not due again in that time is read otherwise, or is no more.
    for (const [orderId, until] of unreadable) if (until <= clock.monotonic()) unreadable.delete(orderId)
    if (unreadable.size === 0) troubles.report('recheck', null)
    return taken
  }

  /** Reads single orders. Unreadable ones are logged and wait; the poll goes on without them. */
  async function readAgain(
    lease: Lease,
    due: Awaited<ReturnType<typeof store.orders.due>>,
    signal: AbortSignal,
  ): Promise<readonly AppliedPage[]> {
    const now = clock.now()
    const { taken, unread, error } = await readOrders(polled, lease, due, { signal, priority: 'live' })
    const failed = new Set(unread.map(({ orderId }) => orderId))
    for (const { orderId } of due)
      if (failed.has(orderId)) unreadable.set(orderId, clock.monotonic() + 2 * UNREAD_RECHECK_MS)
      else unreadable.delete(orderId)
    if (unread.length > 0) {
      log.warn({ orders: unread.length, error: messageOf(error) }, 'could not read single orders; trying again')
      troubles.report('recheck', `${unreadable.size} cannot be read: ${messageOf(error)}`)
    }
    const read = new Set(taken.flatMap(({ changed }) => changed.map(({ orderId }) => orderId)))
    const absent = due
      .filter(({ orderId }) => !read.has(orderId))
      .map(order => ({ ...order, next: now + (failed.has(order.orderId) ? UNREAD_RECHECK_MS : ABSENT_RECHECK_MS) }))
    if (absent.length > 0) await store.orders.postpone(lease, connection, absent)
    return taken
  }

  /** One log line a poll; at debug level if nothing changed. */
  function report(began: number, { taken, error }: RoundResult): void {
    const sum = (of: (one: AppliedPage) => number) => taken.reduce((total, one) => total + of(one), 0)
    const seconds = (clock.monotonic() - began) / 1000
    const outcome = outcomeOf(error)
    metrics.polls.inc({ connection, outcome })
    metrics.pollSeconds.observe({ connection }, seconds)
    const line = {
      outcome,
      orders: sum(one => one.rows),
      changed: sum(one => one.changed.length),
      events: sum(one => one.events.length),
      quarantined: sum(one => one.quarantined),
      ms: Math.round(seconds * 1000),
    }
    if (error !== null) log.warn({ ...line, error: messageOf(error) }, `poll ${outcome}`)
    else log[line.changed > 0 ? 'info' : 'debug'](line, 'polled')
  }

  return {
    /** Why the last poll failed; null: it did not. */
    trouble: (): string | null => trouble,

    /** Rejects only when the store or the lease failed. A failure of the vendor is part of the result. */
    async run({ lease }: HeldLease, signal: AbortSignal, { onRequest }: { onRequest: boolean }): Promise<RoundResult> {
      const began = clock.monotonic()
      const result = await succeeded(lease, signal).catch(error => {
        // Whatever failed, such as a database that was replaced under us: begin with what is stored.
        polled.memory.clear()
        if (signal.aborted || isStoreError(error)) throw error
        return failed(lease, error, onRequest)
      })
      report(began, result)
      return result
    },
  }
}

const isRateLimit = (error: unknown): boolean => error instanceof AppError && error.code === 'vendor.rate_limited'

function outcomeOf(error: unknown): 'ok' | 'retry' | 'failed' | 'stopped' {
  if (error === null) return 'ok'
  if (error instanceof AppError && error.intent === 'stop') return 'stopped'
  return isRateLimit(error) ? 'retry' : 'failed'
}
