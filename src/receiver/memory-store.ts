import type { InboxStore } from './inbox.ts'

/**
 * An inbox store in memory: it forgets at the end of the process, and the oldest ids beyond `limit`. For tests, and for work that may
 * be done twice after a restart.
 */
export function createMemoryStore({ limit = 100_000 }: { readonly limit?: number } = {}): InboxStore {
  const ids = new Set<string>()
  const highestOf = new Map<string, number>()
  const running = new Map<string, Promise<unknown>>()

  function remember(id: string, orderKey: string | null, sequence: number): void {
    ids.add(id)
    if (ids.size > limit) dropOldest(ids)
    if (orderKey === null) return
    const highest = Math.max(sequence, highestOf.get(orderKey) ?? 0)
    // Deleted first, so that the map stays ordered by last use.
    highestOf.delete(orderKey)
    highestOf.set(orderKey, highest)
    if (highestOf.size > limit) dropOldest(highestOf)
  }

  return {
    async record({ id, orderKey, sequence }, work) {
      for (let other = running.get(id); other; other = running.get(id)) await other.catch(() => {})
      if (ids.has(id)) return null
      const highest = orderKey === null ? 0 : (highestOf.get(orderKey) ?? 0)
      const run = work(undefined, highest)
      running.set(id, run)
      try {
        await run
        remember(id, orderKey, sequence)
      } finally {
        running.delete(id)
      }
      return highest
    },
  }
}

function dropOldest(entries: Set<string> | Map<string, unknown>): void {
  const [oldest] = entries.keys()
  if (oldest !== undefined) entries.delete(oldest)
}
