import type { Destination } from '../../dispatch/destination.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Store } from '../../store/store.ts'
import type { Log } from '../../telemetry/log.ts'

const AGAIN_MS = 5_000

/**
 * Makes the lanes of a handler due now if its file has changed since the last start: the change is probably a fix. `wake`: called when there are
 * due lanes. Waits for a store that cannot be reached; never rejects.
 */
export async function retryChangedHandlers(deps: {
  handlers: readonly Destination[]
  store: Pick<Store, 'lanes' | 'handlerFiles'>
  wake: () => void
  clock: Clock
  log: Log
  signal: AbortSignal
}): Promise<void> {
  const { handlers, store, clock, log, signal } = deps
  while (!signal.aborted) {
    try {
      const before = await store.handlerFiles.digests()
      for (const { id, digest } of handlers) {
        if (digest === undefined || before.get(id) === digest) continue
        if (before.has(id)) {
          await store.lanes.makeDue(id, clock.now())
          log.info({ handler: id }, 'the file of this handler changed: what waits for it is tried now')
          deps.wake()
        }
        // Last, so a crash before this repeats the step.
        await store.handlerFiles.put(id, digest)
      }
      return
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'cannot look for changed handlers; trying again')
      await clock.sleep(AGAIN_MS, signal)
    }
  }
}
