import { createBell } from '../bell.ts'
import type { Clock } from '../clock.ts'
import { AppError, messageOf } from '../errors.ts'
import type { EventLog } from '../event-log/event-log.ts'
import type { HeldLease } from '../lease.ts'
import type { Log } from '../observe.ts'
import type { Store } from '../store/store.ts'

const BATCH = 500
const SHORTEST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 10_000
/** Another process may have made events unpublished again. */
const LOOK_EVERY_MS = 5_000

/**
 * The outbox of one connection: what is committed and not yet in the event log goes there, in order. A crash between the log's
 * acknowledgement and the mark repeats a batch with the same ids; nothing is skipped, because the mark comes last.
 */
export function createPublisher(deps: {
  connection: string
  store: Store
  eventLog: EventLog
  held: HeldLease
  clock: Clock
  log: Log
}) {
  const { connection, store, eventLog, held, clock, log } = deps
  const bell = createBell(clock)
  let failure: string | null = null

  async function publishAll(): Promise<void> {
    // The embedded log reads the store itself: its events are published by their commit, and its readers need a nudge only.
    if (eventLog.kind === 'embedded') return eventLog.append([])
    for (;;) {
      const batch = await store.events.unpublished(connection, BATCH)
      if (batch.length === 0) return
      held.assertFresh()
      await eventLog.append(batch)
      await store.events.markPublished(
        held.lease,
        batch.map(({ n }) => n),
        clock.now(),
      )
    }
  }

  return {
    /** There may be something to publish. */
    kick: bell.ring,
    /** Publishes what there is, once. */
    publishAll,
    /** Publishes what there is, once; a failure is logged and left to the next start. */
    flush: () =>
      publishAll().catch(error =>
        log.error({ connection, error: messageOf(error) }, 'cannot publish; events are kept'),
      ),
    /** null: all is published or about to be. */
    failure: (): string | null => failure,
    /** Works until the lease ends. A log that cannot be reached delays events, loses none, and does not stop the polls. */
    async run(): Promise<void> {
      let pause = SHORTEST_PAUSE_MS
      while (!held.signal.aborted) {
        try {
          await publishAll() // at first what an earlier process left
          if (failure) log.info({ connection }, 'publishing again')
          failure = null
          pause = SHORTEST_PAUSE_MS
          await (eventLog.kind === 'kafka' ? bell.wait(held.signal, LOOK_EVERY_MS) : bell.wait(held.signal))
        } catch (error) {
          if (held.signal.aborted || (error instanceof AppError && error.intent === 'stop')) return held.lost(error)
          if (!failure) {
            log.error(
              { connection, error: messageOf(error) },
              'cannot publish; events are kept, and published when the log is back',
            )
          }
          failure = messageOf(error)
          await clock.sleep(pause, held.signal)
          pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
        }
      }
    },
  }
}
