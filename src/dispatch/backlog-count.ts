import type { Clock } from '../lib/clock.ts'
import type { LaneStore } from '../store/port/lanes.ts'
import type { DestinationWorker } from './destination-worker.ts'
import type { Persist } from './persist.ts'

/**
 * Finds out which destinations have no rows in the store, so that taking events in for them asks nothing. A destination is thought to have
 * rows until a count, during which nothing was set aside for it, says otherwise.
 */
export interface BacklogCount {
  /** Counts soon, at most once a second. */
  ask(): void
  /** Counts now; wakes the destinations that turn out to have rows nobody here knew of. */
  look(): Promise<void>
  stop(): void
}

const AT_MOST_EVERY = 1_000

export function createBacklogCount(deps: {
  lanes: Pick<LaneStore, 'counts'>
  workers: ReadonlyMap<string, DestinationWorker>
  persist: Persist
  clock: Clock
}): BacklogCount {
  let cancel: (() => void) | null = null
  let last = Number.NEGATIVE_INFINITY
  let stopped = false

  async function look(): Promise<void> {
    last = deps.clock.monotonic()
    const before = [...deps.workers.values()].map(worker => ({ worker, version: worker.version }))
    const counts = await deps.persist('a count of lanes', () => deps.lanes.counts())
    if (counts === null || stopped) return
    for (const { worker, version } of before) {
      if (!counts.get(worker.destination.id)) worker.noRows(version)
      else if (!worker.mayHaveRows) worker.wake()
    }
  }

  return {
    look,
    ask() {
      if (cancel || stopped) return
      const pause = Math.max(0, last + AT_MOST_EVERY - deps.clock.monotonic())
      cancel = deps.clock.after(pause, () => {
        cancel = null
        void look()
      })
    },
    stop() {
      stopped = true
      cancel?.()
    },
  }
}
