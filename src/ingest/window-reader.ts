import { type Clock, timestamp } from '../lib/clock.ts'
import { type AppError, messageOf } from '../lib/errors.ts'
import type { FeedPage, ReadOptions, Window, WindowFeed } from '../sources/source.ts'
import type { Lease } from '../store/port/leases.ts'
import type { QuarantinedSpan, QuarantineStore } from '../store/port/quarantine.ts'
import type { Log } from '../telemetry/log.ts'
import { readWhole, readWindow, type TakePage, type Whole } from './read-window.ts'
import { createTotals, NO_TOTALS, type Trust } from './totals.ts'
import { findUnreadable, mayBeOfPage } from './unreadable.ts'

/** The pauses before an unreadable span is read again; the last one repeats. */
const REVISITS_MS = [60_000, 300_000, 1_800_000, 3_600_000] as const
/** At most so many spans are read again after one poll. */
const MOST_REVISITS = 5
/** After so many searches without a readable order, the unreadable ticks are quarantined all the same. */
const MOST_FRUITLESS = 3
/** No shop had orders then, and every API takes the date. */
const EMPTY_DAY = Date.UTC(2000, 0, 1)
/** Equal readings before rows are believed against their total. A backfill needs more, because it does not read them again soon. */
const READINGS = { live: 2, backfill: 5 } as const

export interface ReadJob {
  /** null: a dry run. */
  readonly lease: Lease | null
  readonly take: TakePage
  readonly options: ReadOptions
}

/**
 * Reads windows of one connection around what cannot be read: a tick that breaks every page that holds it goes to quarantine and is read
 * again later. Promise: when a call returns, its window is read or in quarantine. Remembers totals that do not add up.
 */
export interface WindowReader {
  readonly precisionMs: number
  /** The spans in quarantine. A window to be read must not hold any of them. */
  spans(): Promise<readonly QuarantinedSpan[]>
  /** See `readWhole` of `read-window.ts`. */
  readWhole(window: Window, job: ReadJob): Promise<Whole>
  /** See `readWindow` of `read-window.ts`. */
  readWindow(window: Window, job: ReadJob): Promise<void>
  /** Call it after a successful poll: reads the due spans again. A span that can be read leaves quarantine. */
  revisit(job: ReadJob & { readonly lease: Lease }): Promise<void>
}

export function createWindowReader(deps: {
  connection: string
  feed: WindowFeed
  /** Where unreadable spans go. null: they are skipped, because another reading of the same orders quarantines them. */
  quarantine: Pick<QuarantineStore, 'spans' | 'setSpan' | 'removeSpan'> | null
  clock: Clock
  log: Log
}): WindowReader {
  const { connection, feed, quarantine, clock, log } = deps
  const { precisionMs } = feed
  const totals = createTotals()
  /** The window that failed last, since a success. One failure may be a moment of the vendor; the second is searched. */
  const failed: Record<ReadOptions['priority'], Window | null> = { live: null, backfill: null }
  let hasSaidTotal = false
  /** Searches in a row that read no order, although the vendor answered. */
  let fruitless = 0

  const trustOf = (priority: ReadOptions['priority']): Trust => ({
    totals: priority === 'live' ? totals : NO_TOTALS,
    readings: READINGS[priority],
    believed(window, missing) {
      const level = priority === 'live' || !hasSaidTotal ? 'warn' : 'debug'
      hasSaidTotal = true
      log[level](
        { connection, ...spoken(window), missing },
        'the vendor counts orders in this window that it does not list, with the same answer each time; the orders it lists are taken, and polling goes on',
      )
    },
  })

  /** Reads a window. On the second failure: reads all of it except the ticks that make it fail. */
  async function around(
    window: Window,
    { lease, take, options }: ReadJob,
    read: (window: Window, take: TakePage) => Promise<Whole>,
  ): Promise<Whole> {
    const { priority, signal } = options
    const before = failed[priority]
    const isSecond = before !== null && before.from <= window.to && window.from <= before.to
    let orders = 0
    const counted = async (page: FeedPage) => {
      orders += page.orders.length
      await take(page)
    }
    try {
      const whole = await read(window, take)
      if (priority === 'backfill') failed.backfill = null
      return whole
    } catch (error) {
      if (signal.aborted || !mayBeOfPage(error)) throw error
      failed[priority] = window
      if (!isSecond) throw error
      let isDown = false
      const search = {
        precisionMs,
        // After some fruitless searches the vendor is not at fault: the orders are broken, or share a tick with a broken one.
        orders: () => (fruitless < MOST_FRUITLESS ? orders : 1),
        answers: async () => {
          isDown = !(await answers(options))
          return !isDown
        },
        read: async (part: Window) => {
          const whole = await readWhole(feed, part, counted, options, trustOf(priority))
          if (whole !== 'too-large') return 'read' as const
          if (part.from !== part.to) return 'too-large' as const
          await readWindow(feed, part, counted, options, trustOf(priority))
          return 'read' as const
        },
      }
      const { found, complete } = await findUnreadable(search, window, error).catch((failure: unknown) => {
        if (failure === error && !isDown && orders === 0) fruitless++
        throw failure
      })
      fruitless = 0
      for (const one of found) await quarantineSpan(lease, one.window, one.error)
      if (!complete) throw error
      if (priority === 'backfill') failed.backfill = null
      return 'in-pages'
    }
  }

  /** Whether the vendor answers for a window without orders: then it is not down. */
  async function answers(options: ReadOptions): Promise<boolean> {
    try {
      await feed.readPage({ from: EMPTY_DAY, to: EMPTY_DAY + precisionMs }, null, options)
      return true
    } catch (error) {
      if (!options.signal.aborted && mayBeOfPage(error)) return false
      throw error
    }
  }

  async function quarantineSpan(lease: Lease | null, { from, to }: Window, error: AppError): Promise<void> {
    if (!quarantine) {
      log.debug(
        { connection, ...spoken({ from, to }), error: messageOf(error) },
        'skipped a span that cannot be read; the reading by update time quarantines it',
      )
      return
    }
    log.warn(
      { connection, ...spoken({ from, to }), error: messageOf(error) },
      'no page with the orders of this span can be read; the span is in quarantine and is read again later; everything else goes on',
    )
    if (!lease) return
    const at = clock.now()
    const reason = `No page that holds the orders updated in this span can be read: ${messageOf(error)}`
    const nextAt = at + REVISITS_MS[0]
    await quarantine.setSpan(lease, { connection, from, to, at, reason, tries: 0, nextAt })
  }

  async function readAgain(span: QuarantinedSpan, { lease, take, options }: ReadJob & { lease: Lease }): Promise<void> {
    try {
      await readWindow(feed, span, take, options, trustOf('backfill'))
      await quarantine?.removeSpan(lease, span)
      log.info({ connection, ...spoken(span) }, 'a span in quarantine could be read again')
    } catch (error) {
      if (options.signal.aborted || !mayBeOfPage(error)) throw error
      const tries = span.tries + 1
      const pause = REVISITS_MS[Math.min(tries, REVISITS_MS.length - 1)] ?? 0
      await quarantine?.setSpan(lease, { ...span, tries, nextAt: clock.now() + pause })
    }
  }

  return {
    precisionMs,
    spans: async () => (await quarantine?.spans(connection)) ?? [],
    readWhole: (window, job) =>
      around(window, job, (part, take) => readWhole(feed, part, take, job.options, trustOf(job.options.priority))),
    async readWindow(window, job) {
      await around(window, job, async (part, take) => {
        await readWindow(feed, part, take, job.options, trustOf(job.options.priority))
        return 'in-pages'
      })
    },
    async revisit(job) {
      failed.live = null
      const now = clock.now()
      const due = ((await quarantine?.spans(connection)) ?? []).filter(({ nextAt }) => nextAt <= now)
      for (const span of due.sort((a, b) => a.nextAt - b.nextAt).slice(0, MOST_REVISITS)) await readAgain(span, job)
    },
  }
}

const spoken = ({ from, to }: Window) => ({ from: timestamp(from), to: timestamp(to) })
