/** Which handlers run in this thread, so that one that lets the event loop stand still can be named. */
export interface AtWork {
  /** Returns what says that it is done. */
  begin(handler: string): () => void
  /** It ran this long without letting anything else run. */
  blocked(handler: string, ms: number): void
  /** Those that blocked for long since the last call; else all that ran at any time since then, as it may be any of them. */
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

/** Of this process: there is one event loop, whoever delivers. */
export const handlersAtWork = createAtWork()
