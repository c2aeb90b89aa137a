import type { FeedPage, ReadOptions, Window, WindowFeed } from '../sources/source.ts'
import type { Lease } from '../store/port/leases.ts'
import type { Progress, Span } from '../store/port/passes.ts'
import type { Log } from '../telemetry/log.ts'
import { backfill } from './backfill.ts'
import type { QuarantinedSpans } from './quarantined-spans.ts'
import { createWindowReader, type WindowReader } from './window-reader.ts'

/** A shop that reads filter times in its own time zone is off by at most this. */
export const FURTHEST_ZONE_MS = 14 * 3_600_000

/** So many orders are remembered to count each once. Beyond that, an order listed twice counts twice. */
const MOST_COUNTED = 100_000

/** A new reading of a window: by creation time, then by update time, because each filter finds orders that the other hides. */
export function begin(feed: WindowFeed, window: Window, beganAt: number): Progress {
  const rounded = {
    from: Math.floor(window.from / feed.precisionMs) * feed.precisionMs,
    to: Math.ceil(window.to / feed.precisionMs) * feed.precisionMs,
  }
  const spans: Span[] = [
    ...(feed.readCreated ? [{ by: 'created' as const, ...rounded }] : []),
    { by: 'updated', ...rounded },
  ]
  return { beganAt, spans, wholeMs: lengthOf(spans), pages: 0, orders: 0, events: 0 }
}

const lengthOf = (spans: readonly Window[]): number => spans.reduce((sum, { from, to }) => sum + (to - from), 0)

export type SpanReaders = Readonly<Record<Span['by'], WindowReader>>

/**
 * Readers of spans by either time. Only the reader by update time quarantines unreadable ticks, because quarantined spans are of update
 * time.
 */
export function createSpanReaders(deps: {
  connection: string
  feed: WindowFeed
  spans: QuarantinedSpans
  log: Log
}): SpanReaders {
  const { feed, spans, ...others } = deps
  // Spans are read for what polls missed; rows without an id that are still there are no reason to read all of it once more.
  const rest = { ...others, unnamed: null }
  return {
    created: createWindowReader({ ...rest, feed: feedBy(feed, 'created'), spans: null }),
    updated: createWindowReader({ ...rest, feed: feedBy(feed, 'updated'), spans }),
  }
}

/**
 * Reads the spans that are left, and saves the progress after each part, so that a restart continues there. `take` stores a page and
 * returns how many of its events count.
 */
export async function readSpans(
  deps: {
    readers: SpanReaders
    lease: Lease
    progress: Progress
    take: (page: FeedPage) => Promise<number>
    save: (progress: Progress) => Promise<void>
  },
  options: ReadOptions,
): Promise<Progress> {
  let { progress } = deps
  const isNew = countEachOnce()
  const save = async (change: Partial<Progress>): Promise<void> => {
    progress = { ...progress, ...change }
    await deps.save(progress)
  }

  async function take(page: FeedPage): Promise<void> {
    const events = await deps.take(page)
    const orders = page.orders.filter(({ orderId }) => isNew(orderId)).length
    progress = { ...progress, pages: progress.pages + 1, orders: progress.orders + orders }
    if (events > 0) await save({ events: progress.events + events })
  }

  for (const by of ['created', 'updated'] as const) {
    const gaps = {
      list: async () => progress.spans.filter(span => span.by === by),
      replace: (gap: Window, windows: readonly Window[]) => {
        const rest = progress.spans.filter(span => span.by !== by || span.from !== gap.from || span.to !== gap.to)
        return save({ spans: [...rest, ...windows.map(({ from, to }) => ({ by, from, to }))] })
      },
    }
    await backfill({ reader: deps.readers[by], gaps, lease: deps.lease, take }, options)
  }
  return progress
}

function feedBy(feed: WindowFeed, by: Span['by']): WindowFeed {
  const readPage = by === 'created' && feed.readCreated ? feed.readCreated : feed.readPage
  return { ...feed, readPage, toleranceMs: FURTHEST_ZONE_MS }
}

function countEachOnce(): (orderId: string) => boolean {
  const seen = new Set<string>()
  return orderId => {
    if (seen.has(orderId)) return false
    if (seen.size < MOST_COUNTED) seen.add(orderId)
    return true
  }
}
