import type { Page, Window } from '../sources/source.ts'
import type { ConnectionPatch, ConnectionRow } from '../store/port/connections.ts'
import type { Lease } from '../store/port/leases.ts'
import type { AppliedPage, ApplyOptions } from './apply-page.ts'
import { followRound } from './follow.ts'
import type { PollTarget } from './poll-target.ts'
import { noteworthy } from './vendor-clock.ts'
import { cutAt, type Front, fronts, without } from './window.ts'
import type { ReadJob, WindowReader } from './window-reader.ts'

/** Answers of one vendor show its clock with an error of seconds. A larger step means that a clock was set. */
const CLOCK_SET_MS = 60_000

export interface PollOutcome {
  readonly taken: readonly AppliedPage[]
  /** What the poll changes of its connection, once all pages are stored. */
  readonly patch: ConnectionPatch
  /** More is due now. */
  readonly more: boolean
}

/**
 * One poll of a connection; `lease` null: a dry run.
 * 1. Plan the windows: from before the cursor (the overlap) to the present.
 * 2. Read each window page by page, again where rows moved meanwhile.
 * 3. Derive each page's events and store the page in one transaction (`applyPage`).
 * 4. Leave what is too large for one poll as a gap, which is read beside the polls.
 * 5. Move the cursor last. A crash before that only means that the same pages are read again; unchanged orders yield nothing.
 * The caller stores the patch, and the outbox publishes the events.
 */
export async function poll(target: PollTarget, lease: Lease | null, options: ApplyOptions): Promise<PollOutcome> {
  const { source, reader, applyPage, memory } = target
  if (source.feed.kind === 'follow') return pollFollows({ ...target, feed: source.feed }, lease, options)
  if (reader === null) return { taken: [], patch: {}, more: false }
  const taken: AppliedPage[] = []
  const take = async (page: Page) => void taken.push(await applyPage(lease, page, options))
  const plan = await planOf(target, reader, lease, options.signal)
  const known = lease && memory.begin(lease)
  const gaps = await readFronts(plan.fronts, reader, { lease, take, options: known ? { ...options, known } : options })
  const patch = await patchOf(target, plan, gaps, options.signal)
  return { taken, patch, more: false }
}

/** The vendor has no list of what changed: ask for the followed orders and users that are due. */
async function pollFollows(
  deps: Parameters<typeof followRound>[0],
  lease: Lease | null,
  options: ApplyOptions,
): Promise<PollOutcome> {
  const { taken, more } = await followRound(deps, lease, options)
  return { taken, more, patch: more ? {} : { cursor: deps.clock.now() } }
}

interface Plan {
  readonly fronts: readonly Front[]
  /** The vendor's present, as known when the poll began, and that moment by our clock and by the monotonic one. */
  readonly now: number
  readonly ours: number
  readonly begun: number
  /** No poll has moved the cursor yet. */
  readonly isFirst: boolean
}

async function planOf(
  target: PollTarget,
  { precisionMs }: WindowReader,
  lease: Lease | null,
  signal: AbortSignal,
): Promise<Plan> {
  const { connection, store, clock, overlapMs } = target
  const row = await store.connections.get(connection)
  const { cursor = null, reached = null } = row ?? {}
  const firstSeenAt = cursor === null ? await firstSeen(target, row, lease) : clock.now()
  const now = await target.vendorNow(signal)
  const ours = clock.now()
  const seenAt = firstSeenAt + Math.min(0, now - ours)
  const backfillFrom = Math.min(target.backfillFrom(seenAt), seenAt - overlapMs)
  const clocks = [now, ours] as const
  return {
    fronts: fronts({ cursor, reached, overlapMs, backfillFrom, precisionMs, clocks }),
    ...{ now, ours },
    begun: clock.monotonic(),
    isFirst: cursor === null,
  }
}

/**
 * When this connection was first configured as enabled, or else when its first poll was tried. It is stored before the vendor is asked, so
 * a vendor that is down does not move where reading begins. A stored time in the future (the clock was set back since) is replaced by the present.
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

/** Reads the windows around the spans in quarantine. Returns the gaps that are left. */
async function readFronts(plan: readonly Front[], reader: WindowReader, job: ReadJob): Promise<readonly Window[]> {
  const { precisionMs } = reader
  const gaps: Window[] = []
  for (const { window, live: liveOf, looksBack } of plan)
    for (const part of without(window, await reader.unreadable(), precisionMs)) {
      const { live, gap } = cutAt(part, liveOf.from, precisionMs)
      const reading = await reader.readWhole(part, job)
      if (reading === 'too-large') await reader.readWindow(live, job)
      // A row that leaves between two pages while another comes keeps the total, and the row between them is skipped. The next polls
      // find it in the overlap. The part before the overlap gets no new rows, so it is read once more as a gap.
      if (gap && (reading === 'too-large' || (reading === 'in-pages' && looksBack))) gaps.push(gap)
    }
  return gaps
}

async function patchOf(
  { vendorNow, clock }: PollTarget,
  { fronts: [slow, fast = slow], now, ours, begun, isFirst }: Plan,
  gaps: readonly Window[],
  signal: AbortSignal,
): Promise<ConnectionPatch> {
  const present = await vendorNow(signal)
  // Our clock was set during the first poll, so that poll began too late. Keep no cursor: the next poll is the first again.
  if (isFirst && present < now - CLOCK_SET_MS) return {}
  const elapsed = clock.monotonic() - begun
  return {
    // Never beyond the vendor's present when the reading began: what happened since is not read. Its clock may be known only now, and
    // from a header that any proxy may have written, so never beyond our present at that time either.
    cursor: Math.min(slow?.window.to ?? now, now, ours, Math.round(Math.min(present, clock.now()) - elapsed)),
    reached: fast?.window.to ?? present,
    clockAheadMs: noteworthy(present - clock.now()),
    ...(gaps.length > 0 && { gaps: { opened: gaps } }),
  }
}
