import type { FeedPage, ReadOptions, Window, WindowFeed } from '../sources/source.ts'
import { readWhole, readWindow } from './read-window.ts'
import { halve } from './window.ts'

/** Windows still to be read beside the polls (a long first look back, what an outage left), newest first, durably shrinking as they are read. */
export interface Gaps {
  list(): Promise<readonly Window[]>
  /** Puts others in the place of one. */
  replace(gap: Window, by: readonly Window[]): Promise<void>
}

/** Reads gaps until none is left or the signal aborts. A crash loses at most the reading of one piece, which is read again. */
export async function backfill(
  deps: { feed: WindowFeed; gaps: Gaps; take: (page: FeedPage) => Promise<unknown> },
  options: ReadOptions,
): Promise<void> {
  const { feed, gaps } = deps
  const take = async (page: FeedPage) => void (await deps.take(page))
  while (!options.signal.aborted) {
    const [gap] = [...(await gaps.list())].sort((a, b) => b.to - a.to)
    if (!gap) return
    const halves = halve(gap, feed.precisionMs)
    if (!halves) await readWindow(feed, gap, take, options)
    else if ((await readWhole(feed, gap, take, options)) === 'too-large') {
      await gaps.replace(gap, halves)
      continue
    }
    await gaps.replace(gap, [])
  }
}
