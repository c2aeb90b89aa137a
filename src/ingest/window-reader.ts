import { timestamp } from '../lib/clock.ts'
import { type AppError, messageOf } from '../lib/errors.ts'
import type { FeedPage, ReadOptions, Window, WindowFeed } from '../sources/source.ts'
import type { Lease } from '../store/port/leases.ts'
import type { QuarantinedSpan } from '../store/port/quarantine.ts'
import type { Log } from '../telemetry/log.ts'
import type { QuarantinedSpans } from './quarantined-spans.ts'
import { readWhole, readWindow, type TakePage, type Whole } from './read-window.ts'
import { createTotals, NO_TOTALS, type Trust } from './totals.ts'
import { hasUnnamed, type UnnamedRows } from './unnamed-rows.ts'
import { findUnreadable, mayBeOfPage } from './unreadable.ts'
import { without } from './window.ts'

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
 * again later. Promise: when a call returns, its window is read or in quarantine. Remembers totals that do not add up, and windows with
 * rows without an order id.
 */
export interface WindowReader {
  readonly precisionMs: number
  /** The unreadable spans. A window to be read must not hold any of them. */
  unreadable(): Promise<readonly QuarantinedSpan[]>
  /** See `readWhole` of `read-window.ts`. */
  readWhole(window: Window, job: ReadJob): Promise<Whole>
  /** See `readWindow` of `read-window.ts`. */
  readWindow(window: Window, job: ReadJob): Promise<void>
  /** Call it after a successful poll: reads again what is due of the unreadable spans and of the windows with rows without an id. */
  revisit(job: LeasedJob): Promise<void>
}

type LeasedJob = ReadJob & { readonly lease: Lease }

/** Keeps windows that are read again at certain times. */
interface Revisited<Due extends Window> {
  due(): Promise<readonly Due[]>
  failed(lease: Lease, window: Due): Promise<void>
  mended(lease: Lease, window: Due): Promise<void>
}

export function createWindowReader(deps: {
  connection: string
  feed: WindowFeed
  /** Where unreadable spans go. null: they are skipped, because another reading of the same orders quarantines them. */
  spans: QuarantinedSpans | null
  /** Where windows with rows without an order id go. null: they are not read again. */
  unnamed: UnnamedRows | null
  log: Log
}): WindowReader {
  const { connection, feed, spans, unnamed, log } = deps
  const { precisionMs } = feed
  const totals = createTotals()
  /** The window that failed last, unless it was read since. One failure may be a moment of the vendor; the second is searched. */
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
    let sawUnnamed = false
    const counted = async (page: FeedPage) => {
      orders += page.orders.length
      sawUnnamed ||= hasUnnamed(page)
      await take(page)
    }
    const noteUnnamed = async () => {
      if (sawUnnamed) await unnamed?.seen(lease, window)
    }
    try {
      const whole = await read(window, counted)
      // A window that is too large is read again in parts.
      if (whole !== 'too-large') await noteUnnamed()
      // A success elsewhere says nothing of the window that failed, which comes up again behind newer ones.
      if (priority === 'backfill' && isSecond) failed.backfill = null
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
      await noteUnnamed()
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

  async function quarantineSpan(lease: Lease | null, window: Window, error: AppError): Promise<void> {
    if (spans) await spans.add(lease, window, error)
    else
      log.debug(
        { connection, ...spoken(window), error: messageOf(error) },
        'skipped a span that cannot be read; the reading by update time quarantines it',
      )
  }

  /** Reads a window again, without a search. Returns whether rows of it have no order id. */
  async function readAgain(window: Window, { take, options }: ReadJob): Promise<boolean> {
    let sawUnnamed = false
    const looked = async (page: FeedPage) => {
      sawUnnamed ||= hasUnnamed(page)
      await take(page)
    }
    await readWindow(feed, window, looked, options, trustOf('backfill'))
    return sawUnnamed
  }

  /** Reads due windows again, and tells their keeper how each went. */
  async function revisitDue<Due extends Window>(
    keeper: Revisited<Due>,
    { lease, options }: LeasedJob,
    isMended: (window: Due) => Promise<boolean>,
  ): Promise<void> {
    for (const window of await keeper.due()) {
      const mended = await isMended(window).catch((error: unknown) => {
        if (options.signal.aborted || !mayBeOfPage(error)) throw error
        return false
      })
      await (mended ? keeper.mended(lease, window) : keeper.failed(lease, window))
    }
  }

  async function revisitUnnamed(rows: UnnamedRows, job: LeasedJob): Promise<void> {
    const backfill = { ...job, options: { ...job.options, priority: 'backfill' as const } }
    await revisitDue(rows, job, async window => {
      const unreadable = (await spans?.list()) ?? []
      let sawUnnamed = false
      for (const part of without(window, unreadable, precisionMs))
        if (await readAgain(part, backfill)) sawUnnamed = true
      return !sawUnnamed
    })
  }

  return {
    precisionMs,
    unreadable: async () => (await spans?.list()) ?? [],
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
      if (spans)
        await revisitDue(spans, job, async span => {
          if (await readAgain(span, job)) await unnamed?.seen(job.lease, span)
          return true
        })
      if (unnamed) await revisitUnnamed(unnamed, job)
    },
  }
}

const spoken = ({ from, to }: Window) => ({ from: timestamp(from), to: timestamp(to) })
