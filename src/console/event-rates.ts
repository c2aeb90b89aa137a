import type { Clock } from '../lib/clock.ts'
import type { EventRate } from '../store/port/events.ts'
import type { Store } from '../store/store.ts'

/** Events are stored within this time of their observation: older spans do not change any more. */
const SETTLED_MS = 5 * 60_000
/** So much is asked for at a time. */
const CHUNK_MS = 3_600_000
const MOST_CHUNKS = 200

/** Events by span of time and type. Hours that are over are counted once. */
export function createEventRates({ store, clock }: { store: Pick<Store, 'events'>; clock: Pick<Clock, 'now'> }) {
  const kept = new Map<string, readonly EventRate[]>()

  async function chunk(since: number, until: number, bucketMs: number): Promise<readonly EventRate[]> {
    const key = `${bucketMs} ${since} ${until}`
    const known = kept.get(key)
    if (known) return known
    const found = await store.events.rates({ since, until, bucketMs })
    if (until < clock.now() - SETTLED_MS) {
      kept.set(key, found)
      for (const oldest of kept.keys()) {
        if (kept.size <= MOST_CHUNKS) break
        kept.delete(oldest)
      }
    }
    return found
  }

  return async (since: number, until: number, bucketMs: number): Promise<readonly EventRate[]> => {
    const all: EventRate[] = []
    for (let from = since; from < until; ) {
      const to = Math.min(until, Math.floor(from / CHUNK_MS) * CHUNK_MS + CHUNK_MS)
      all.push(...(await chunk(from, to, bucketMs)))
      from = to
    }
    return all
  }
}
