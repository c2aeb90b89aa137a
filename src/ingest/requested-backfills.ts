import { messageOf } from '../lib/errors.ts'
import { createWakeUp } from '../lib/wake-up.ts'
import type { FeedPage, WindowFeed } from '../sources/source.ts'
import type { Backfill } from '../store/port/passes.ts'
import type { HeldLease } from './lease.ts'
import type { PassDeps } from './poll-target.ts'
import { isStoreError, restAfter } from './rest-after.ts'
import { begin, readSpans } from './spans.ts'

const FIRST_REST_MS = 2_000
/** A command without a server gives up after so many failures in a row. */
const MOST_FAILURES = 5

/** Works on requested backfills, one after the other, at low priority. They are in the store, so a restart continues them. */
export function createBackfills(deps: PassDeps) {
  const { polled, clock, log, took, onTrouble } = deps
  const { connection, store, applyPage } = polled
  const wakeUp = createWakeUp(clock)

  /** Works on backfills until none is left. `alone`: no server will continue them, so it does not try for ever. */
  async function workOff(held: HeldLease, { alone }: { alone: boolean }): Promise<void> {
    const { feed } = polled.source
    if (feed.kind !== 'window') return
    for (let failures = 0; !held.signal.aborted; ) {
      const backfill = await store.backfills.next(connection)
      if (!backfill) return
      try {
        await work(held, feed, backfill)
        failures = 0
        onTrouble(null)
      } catch (error) {
        if (held.signal.aborted) return
        if (isStoreError(error)) throw error
        failures++
        onTrouble(error)
        log.warn({ error: messageOf(error) }, 'backfill interrupted; it continues where it stopped')
        const now = (await store.backfills.get(backfill.id)) ?? backfill
        const gaveUp = alone && failures === MOST_FAILURES
        await store.backfills.save(held.lease, {
          ...now,
          error: messageOf(error),
          endedAt: gaveUp ? clock.now() : null,
        })
        if (!gaveUp) await restAfter(error, { ...deps, failures, firstMs: FIRST_REST_MS, signal: held.signal })
      }
    }
  }

  async function work({ lease, signal }: HeldLease, feed: WindowFeed, backfill: Backfill): Promise<void> {
    const { id, since } = backfill
    const readers = polled.spanReaders
    if (!readers) return
    const options = { signal, priority: 'backfill' as const }
    const until = backfill.until ?? (await polled.vendorNow(signal))
    const take = async (page: FeedPage) => {
      const taken = await applyPage(lease, page, options)
      took([taken])
      return taken.events.length
    }
    const progress = await readSpans(
      {
        readers,
        lease,
        progress: backfill.progress ?? begin(feed, { from: since, to: Math.max(until, since) }, clock.now()),
        take,
        save: progress => store.backfills.save(lease, { id, progress, endedAt: null, error: null }),
      },
      options,
    )
    if (signal.aborted) return
    await store.backfills.save(lease, { id, progress, endedAt: clock.now(), error: null })
    const { orders, events } = progress
    log.info({ orders, events }, 'backfill done')
  }

  return {
    /** There may be a backfill to work on. */
    wake: wakeUp.wake,
    workOff,
    /** Works until the lease ends. */
    async run(held: HeldLease): Promise<void> {
      while (!held.signal.aborted) {
        await workOff(held, { alone: false })
        await wakeUp.wait(held.signal)
      }
    },
  }
}
