import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { createWakeUp } from '../lib/wake-up.ts'
import { NO_PICTURE, pictureOf } from '../order/picture.ts'
import type { OrderRead } from '../store/port/order-reads.ts'
import type { Log } from '../telemetry/log.ts'
import type { AppliedPage } from './apply-page.ts'
import type { HeldLease } from './lease.ts'
import type { PollTarget } from './poll-target.ts'
import { readOrders } from './read-orders.ts'

/** When an announced order is read again until it shows a change, milliseconds after the webhook (case 46). */
const AFTER_MS = [1_000, 3_000, 10_000, 60_000, 600_000]
/** An order that is still unreadable after that is tried this often, for this long. */
const [UNREAD_EVERY_MS, UNREAD_MS] = [3_600_000, 86_400_000]
/** Requests for one order within this time make one reading. */
const QUIET_MS = 1_000
const BATCH = 50
/** How many rows to load for a batch: those in their quiet second are skipped. */
const LOOK = 4 * BATCH
/** Due times are by the wall clock, which may be set. */
const LONGEST_SLEEP_MS = 30_000

/** When to read an order again after the reading that began at `now`; null: never. */
function nextReading(read: OrderRead, now: number, failed: boolean): number | null {
  if (!failed && !read.announced) return null
  // Each reading is one step further, even if the clock was set back.
  const elapsed = Math.max(now, read.nextAt) - read.askedAt
  const next = AFTER_MS.find(ms => ms > elapsed)
  if (next !== undefined) return read.askedAt + next
  return failed && now - read.askedAt < UNREAD_MS ? now + UNREAD_EVERY_MS : null
}

/**
 * Reads the single orders that webhooks or people requested; the requests are in the store. A webhook may come before the API shows the
 * change, so an announced order is read until it differs from the order as it was when the webhook came.
 */
export function createRefetcher(deps: {
  polled: PollTarget
  clock: Clock
  log: Log
  took: (taken: readonly AppliedPage[]) => void
}) {
  const { polled, clock, log, took } = deps
  const { connection, store } = polled
  const wakeUp = createWakeUp(clock)
  const lastRead = new Map<string, number>()
  /** Orders that could not be read at least twice in a row: once may be chance. */
  const unreadable = new Set<string>()
  /** Unreadable orders to read at once, because the vendor works again. */
  const hurried = new Set<string>()
  let trouble: string | null = null

  /** Reads one batch of due orders. Returns the milliseconds until more are due. */
  async function readDue({ lease, signal }: HeldLease): Promise<{ waitMs: number; trouble: string | null }> {
    const upcoming = await store.orderReads.upcoming(connection, LOOK)
    if (upcoming.length < LOOK) forgetAllBut(upcoming)
    const { ready, waitMs } = sortOut(upcoming)
    if (ready.length === 0) return { waitMs, trouble }
    const before = await pictures(ready)
    const wanted = ready.filter(read => isFirst(read) || before(read) === read.seen)
    // A poll has found the change of the others meanwhile.
    const found = ready.filter(read => !wanted.includes(read)).map(read => ({ ...read, next: null }))
    const now = clock.now()
    for (const { orderId } of wanted) lastRead.set(orderId, clock.monotonic())
    const refs = wanted.map(({ orderId, userId }) => ({ orderId, userId }))
    const { taken, unread, error } =
      refs.length === 0
        ? { taken: [], unread: [], error: null }
        : await readOrders(polled, lease, refs, { signal, priority: 'live' })
    took(taken)
    const failed = new Set(unread.map(({ orderId }) => orderId))
    const after = await pictures(wanted)
    const settled = wanted.map(read => {
      const shown = after(read) !== read.seen && after(read) !== NO_PICTURE
      const due = hurried.has(read.orderId) ? { ...read, nextAt: now } : read
      return { ...read, next: shown ? null : nextReading(due, now, failed.has(read.orderId)) }
    })
    await store.orderReads.settle(lease, [...found, ...settled])
    report({ wanted, taken, failed, error, settled })
    for (const { orderId } of found) unreadable.delete(orderId)
    for (const read of settled) {
      hurried.delete(read.orderId)
      const isSoon = read.next !== null && read.next - now < UNREAD_EVERY_MS
      if (!failed.has(read.orderId) || !isSoon) unreadable.delete(read.orderId)
      else if (!isFirst(read)) unreadable.add(read.orderId)
    }
    if (unreadable.size === 0) trouble = null
    else if (error !== null) trouble = `${unreadable.size} cannot be read: ${messageOf(error)}`
    return { waitMs: 0, trouble }
  }

  /** What nobody waits for any more (a poll has found the change, or another process has read it) is no trouble. */
  function forgetAllBut(upcoming: readonly OrderRead[]): void {
    const waiting = new Set(upcoming.map(({ orderId }) => orderId))
    for (const ids of [unreadable, hurried]) for (const id of ids) if (!waiting.has(id)) ids.delete(id)
    if (unreadable.size === 0) trouble = null
  }

  function sortOut(upcoming: readonly OrderRead[]): { ready: OrderRead[]; waitMs: number } {
    const [now, monotonic] = [clock.now(), clock.monotonic()]
    for (const [orderId, at] of lastRead) if (monotonic - at >= QUIET_MS) lastRead.delete(orderId)
    let waitMs = LONGEST_SLEEP_MS
    const ready: OrderRead[] = []
    for (const read of upcoming) {
      // A request from the future: the clock was set back since.
      const dueMs = read.askedAt > now || hurried.has(read.orderId) ? 0 : read.nextAt - now
      const quietMs = (lastRead.get(read.orderId) ?? Number.NEGATIVE_INFINITY) + QUIET_MS - monotonic
      const pauseMs = Math.max(dueMs, quietMs)
      if (pauseMs > 0) waitMs = Math.min(waitMs, pauseMs)
      else if (ready.push(read) === BATCH) break
    }
    return { ready, waitMs }
  }

  async function pictures(reads: readonly OrderRead[]): Promise<(read: OrderRead) => string> {
    const rows = await store.orders.load(
      connection,
      reads.map(({ orderId }) => orderId),
    )
    return ({ orderId }) => pictureOf(rows.get(orderId)?.snapshot)
  }

  function report(batch: {
    wanted: readonly OrderRead[]
    taken: readonly AppliedPage[]
    failed: ReadonlySet<string>
    error: unknown
    settled: readonly (OrderRead & { next: number | null })[]
  }): void {
    const { wanted, taken, failed, error, settled } = batch
    if (wanted.length === 0) return
    const [changed, events] = [taken.flatMap(one => one.changed).length, taken.flatMap(one => one.events).length]
    log.info({ orders: wanted.length - failed.size, changed, events }, 'read on request')
    if (failed.size === 0) return
    log.warn({ orders: failed.size, error: messageOf(error) }, 'could not read single orders; trying again')
    for (const { orderId, next } of settled)
      if (failed.has(orderId) && next === null)
        log.warn({ order: orderId }, 'an order could not be read for a day; giving up until a poll lists it')
  }

  return {
    /** There may be an order to read. */
    wake: wakeUp.wake,
    /** The vendor works again: reads the unreadable orders now, not when they are due. */
    retry(): void {
      for (const orderId of unreadable) hurried.add(orderId)
      wakeUp.wake()
    },
    /** Works until the lease ends. `patiently` repeats a step until it succeeds; a step resolves with what is wrong, or null. */
    async run(held: HeldLease, patiently: (step: () => Promise<string | null>) => Promise<void>): Promise<void> {
      while (!held.signal.aborted) {
        let waitMs = 0
        await patiently(async () => {
          const read = await readDue(held)
          waitMs = read.waitMs
          return read.trouble
        })
        if (waitMs > 0) await wakeUp.wait(held.signal, waitMs)
      }
    },
  }
}

const isFirst = ({ askedAt, nextAt }: OrderRead): boolean => nextAt === askedAt
