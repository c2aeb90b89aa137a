import type { Clock } from '../lib/clock.ts'
import type { LaneStore } from '../store/port/lanes.ts'
import type { DestinationWorker } from './destination-worker.ts'
import type { Persist } from './persist.ts'

/**
 * Finds out which destinations have no rows in the store, so that the fan-out need not ask about their lanes. A destination counts as
 * having rows until a count finds none and nothing was spilled for it meanwhile.
 */
export interface BacklogCount {
  /** Counts soon, at most once a second. */
  ask(): void
  /** Counts now, and wakes destinations with rows that this process did not know. */
  look(): Promise<void>
  stop(): void
}

const AT_MOST_EVERY_MS = 1_000

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
      const pause = Math.max(0, last + AT_MOST_EVERY_MS - deps.clock.monotonic())
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
