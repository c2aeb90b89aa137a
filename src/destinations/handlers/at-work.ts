/** Tracks which handlers run in this thread, to name the handler that blocks the event loop. */
export interface AtWork {
  /** Returns a function to call when the run has ended. */
  begin(handler: string): () => void
  /** The handler blocked the event loop for this long. */
  blocked(handler: string, ms: number): void
  /** Handlers that blocked for long since the last call; if there are none, all that ran since then. */
  suspects(): readonly string[]
}

const LONG_MS = 500

export function createAtWork(): AtWork {
  const running = new Map<string, number>()
  const ended = new Set<string>()
  const blockers = new Set<string>()
  return {
    begin(handler) {
      running.set(handler, (running.get(handler) ?? 0) + 1)
      return () => {
        const left = (running.get(handler) ?? 1) - 1
        if (left > 0) running.set(handler, left)
        else running.delete(handler)
        ended.add(handler)
      }
    },
    blocked(handler, ms) {
      if (ms >= LONG_MS) blockers.add(handler)
    },
    suspects() {
      const names = blockers.size > 0 ? [...blockers] : [...new Set([...running.keys(), ...ended])]
      ended.clear()
      blockers.clear()
      return names.sort()
    },
  }
}

/** One per process, because there is one event loop. */
export const handlersAtWork = createAtWork()
