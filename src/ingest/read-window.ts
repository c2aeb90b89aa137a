import { timestamp } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { FeedPage, ReadOptions, Window, WindowFeed } from '../sources/source.ts'
import { PLAIN, type Trust } from './totals.ts'
import { halve } from './window.ts'

/** A window with more pages than this is split. */
const MOST_PAGES = 20

/** How often a window is read again before it is split, if its rows move while it is read. */
const REREADS = 2

/** So many pages in a row without a new order are no drift: the vendor ignores page numbers, or hands out tokens without end. */
const MOST_STALE_PAGES = 20

/** A row this much older than the window still obeys the filter: vendors may round update times. */
const FILTER_TOLERANCE_MS = 1_000

export type TakePage = (page: FeedPage) => Promise<void>

/** `at-once`: the window was one page, so nothing can have moved while it was read. */
export type Whole = 'at-once' | 'in-pages' | 'too-large'
/** `repeats`: the window is complete only if the vendor counts an order that it repeats each time it shows it. */
type Reading = Whole | 'drifted' | 'repeats'

interface Once {
  readonly reading: Reading
  /** Rows that the vendor counts and does not list. */
  readonly missing: number
  /** If the total does not add up at the end: what the vendor answered. The same answer again means that nothing moved. */
  readonly answer: string | null
}

/**
 * Reads a window and misses nothing in it. Where pages show that rows moved, it reads the window again, then splits it; rows taken
 * before are unchanged and cost nothing. Rejects if even one tick of the vendor's clock cannot be read whole.
 */
export async function readWindow(
  feed: WindowFeed,
  window: Window,
  take: TakePage,
  options: ReadOptions,
  trust: Trust = PLAIN,
): Promise<void> {
  const reading = await readPatiently(feed, window, take, options, { trust, mostPages: MOST_PAGES })
  if (isComplete(reading)) return
  const halves = halve(window, feed.precisionMs)
  const endless = { trust, mostPages: Number.POSITIVE_INFINITY }
  if (halves) {
    for (const half of halves) await readWindow(feed, half, take, options, trust)
  } else if (!isComplete(await readPatiently(feed, window, take, options, endless))) {
    throw new AppError(
      'The pages of the vendor do not add up: rows were moved or left out each time they were read. Nothing is skipped; reading goes on from the same place.',
      { code: 'ingest.page_drift', intent: 'retry' },
    )
  }
}

/** Reads a window without splitting it. `too-large`: it has more than `MOST_PAGES` pages, or its rows keep moving; it was not read whole. */
export async function readWhole(
  feed: WindowFeed,
  window: Window,
  take: TakePage,
  options: ReadOptions,
  trust: Trust = PLAIN,
): Promise<Whole> {
  const reading = await readPatiently(feed, window, take, options, { trust, mostPages: MOST_PAGES })
  return isComplete(reading) ? reading : 'too-large'
}

const isComplete = (reading: Reading): reading is 'at-once' | 'in-pages' =>
  reading === 'at-once' || reading === 'in-pages'

interface Manner {
  readonly trust: Trust
  readonly mostPages: number
}

async function readPatiently(
  feed: WindowFeed,
  window: Window,
  take: TakePage,
  options: ReadOptions,
  manner: Manner,
): Promise<Reading> {
  const { totals, readings, believed } = manner.trust
  let before: Once | null = null
  for (let attempt = 0, same = 1; ; attempt++) {
    const once = await readOnce(feed, window, take, options, manner)
    const { reading, missing, answer } = once
    if (reading !== 'drifted' && reading !== 'repeats') return reading
    // Twice in a row: the vendor does count repeated orders.
    if (reading === 'repeats' && before?.reading === 'repeats') return 'in-pages'
    same = answer !== null && answer === before?.answer ? same + 1 : 1
    if (answer !== null && same >= readings) {
      if (totals.note(window, missing)) believed(window, missing)
      totals.noteEnd(answer)
      return 'in-pages'
    }
    if (attempt >= REREADS && same === 1) return reading
    before = once
  }
}

async function readOnce(
  feed: WindowFeed,
  window: Window,
  take: TakePage,
  options: ReadOptions,
  { trust: { totals }, mostPages }: Manner,
): Promise<Once> {
  const seen = { orders: new Set<string>(), unnamed: 0, repeated: 0, pages: new Set<string>() }
  const note = detectEndlessPages()
  const allowed = totals.allowed(window)
  const ended = (reading: Reading, missing = 0, answer: string | null = null): Once => ({ reading, missing, answer })
  let first: FeedPage | null = null
  /** The largest total of the pages so far. */
  let most = 0
  /** A page before the last had fewer rows than the first. */
  let short = false
  let at: string | null = null
  for (let pages = 1; ; pages++) {
    const page: FeedPage | 'too-large' = await readPage(feed, window, at, options)
    if (page === 'too-large') return ended(page)
    first ??= page
    await take(page)
    totals.notePage(rowsOf(page))
    assertObeys(page, window, feed.toleranceMs)
    if (first.total !== null && first.total > mostPages * Math.max(rowsOf(first), 1)) return ended('too-large')
    const ids = namesOn(page)
    const before = seen.orders.size
    for (const orderId of ids) seen.orders.add(orderId)
    note(seen.orders.size > before)
    const unnamed = page.rejects.filter(({ orderId }) => orderId === null).length
    seen.unnamed += unnamed
    seen.repeated += rowsOf(page) - unnamed - ids.size
    // Compare with the largest total, not the first: one page of a stale copy may count a row that its neighbours lack.
    if (page.total !== null && page.total < most) return ended('drifted')
    most = page.total ?? most
    const missing = (page.total ?? 0) - seen.orders.size - seen.unnamed
    // The missing rows are known not to exist, so the next page would be empty.
    const answer = () => JSON.stringify([page.total, [...seen.orders].sort(), seen.unnamed])
    const isRestKnown = missing > 0 && missing === allowed && totals.isLast(rowsOf(page), answer)
    if (page.next === null || isRestKnown) {
      if (missing > allowed || short) {
        return ended(missing > seen.repeated || short ? 'drifted' : 'repeats', Math.max(missing, 0), answer())
      }
      totals.note(window, Math.max(missing, 0))
      if (missing > 0 && (page.next === null || rowsOf(page) === 0)) totals.noteEnd(answer())
      return ended(pages === 1 && missing <= 0 ? 'at-once' : 'in-pages')
    }
    if (page.total !== null && rowsOf(page) < rowsOf(first)) short = true
    if (seen.pages.has(page.next)) {
      throw new AppError(
        'The vendor pointed to a page that was read already (repeated cursor); the poll was given up and nothing was skipped.',
        {
          code: 'vendor.repeated_cursor',
          intent: 'retry',
        },
      )
    }
    seen.pages.add(page.next)
    if (pages >= mostPages) return ended('too-large')
    at = page.next
  }
}

async function readPage(
  feed: WindowFeed,
  window: Window,
  at: string | null,
  options: ReadOptions,
): Promise<FeedPage | 'too-large'> {
  try {
    return await feed.readPage(window, at, options)
  } catch (error) {
    if (error instanceof AppError && error.intent === 'narrow' && halve(window, feed.precisionMs)) return 'too-large'
    throw error
  }
}

const skippedOn = (page: FeedPage) => page.skipped?.rows ?? []

const rowsOf = (page: FeedPage): number => page.orders.length + page.rejects.length + skippedOn(page).length

function namesOn(page: FeedPage): ReadonlySet<string> {
  const names = new Set<string>()
  for (const rows of [page.orders, skippedOn(page)]) for (const { orderId } of rows) names.add(orderId)
  for (const { orderId } of page.rejects) if (orderId !== null) names.add(orderId)
  return names
}

/** Some vendors ignore an unknown parameter and answer 200: the whole shop would come as "changed". The facts are kept, the poll fails. */
function assertObeys(page: FeedPage, window: Window, toleranceMs = FILTER_TOLERANCE_MS): void {
  const earliest = timestamp(window.from - toleranceMs)
  // Timestamps of one form are in the order of their text.
  const isStray = ({ updatedAt }: { readonly updatedAt: string | null }) =>
    updatedAt !== null && updatedAt.length === earliest.length && updatedAt < earliest
  const stray = page.orders.find(isStray) ?? skippedOn(page).find(isStray)
  if (!stray) return
  throw new AppError(
    `Asked for orders updated since ${new Date(window.from).toISOString()}, got order ${stray.orderId} of ${stray.updatedAt}: the vendor ignored the filter. Check the API version of this connection.`,
    { code: 'vendor.filter_ignored', intent: 'retry' },
  )
}

/** Counts pages in a row that brought no new order. Call it with each page; it throws after `MOST_STALE_PAGES`. */
export function detectEndlessPages(): (hasNew: boolean) => void {
  let stale = 0
  return hasNew => {
    stale = hasNew ? 0 : stale + 1
    if (stale < MOST_STALE_PAGES) return
    throw new AppError(
      `The vendor answered ${MOST_STALE_PAGES} pages in a row with orders it had answered before, and says that there are more; reading was given up and nothing was skipped. It is tried again.`,
      { code: 'vendor.endless_pages', intent: 'retry' },
    )
  }
}
