import type { AttemptInShort, DeliveryStore } from '../store/port/deliveries.ts'

/** Success rate and latencies are those of this many latest attempts. */
const SAMPLE = 200
/** Of a destination that only fails, so many older attempts are looked at for its last success, this many at a time. */
const [MOST_OLDER, OLDER_AT_ONCE] = [20_000, 2_000]
/** New attempts are read this many at a time. Where there are more than `MOST_NEW`, all is read anew. */
const [NEW_AT_ONCE, MOST_NEW] = [2_000, 50_000]
/** So many destinations are read at once where the database can. */
const LOADS_AT_ONCE = 6
/** On PostgreSQL an attempt may become visible after some with greater numbers: so many are read once more. */
const OVERLAP = 200

/** How a destination has fared lately. */
interface Fared {
  readonly successRate: number
  readonly p50: number
  readonly p99: number
  /** What the newest attempt failed with; null: it did not fail. */
  readonly lastError: string | null
  /** When the first failed of the attempts since the last success; null: the newest did not fail. */
  readonly failingSince: number | null
  /** Of the latest `SAMPLE` attempts, those since the last success. */
  readonly failuresInRow: number
  /** null: none among the latest 20,000 attempts. */
  readonly lastSuccessAt: number | null
}

/** The latest attempts of all destinations, in memory. */
export interface LatestAttempts {
  /** As of now, for each of these that was ever tried. Reads what is new since the last question. */
  of(destinations: readonly string[]): Promise<ReadonlyMap<string, Fared>>
  /** It was removed, and its attempts with it. */
  forget(destination: string): void
}

interface Known {
  /** null: never tried. */
  readonly fared: Fared | null
  /** Newest first. */
  readonly attempts: readonly Pick<AttemptInShort, 'n' | 'at' | 'ms' | 'delivered'>[]
  readonly lastError: string | null
  readonly failingSince: number | null
  readonly lastSuccessAt: number | null
}

const NONE: Known = { fared: null, attempts: [], lastError: null, failingSince: null, lastSuccessAt: null }

/**
 * A thousand destinations have 200,000 latest attempts, all over the store. They are read once, and then only the new ones, so that the
 * state of all destinations costs no more than what happened since it was last asked for.
 */
export function createLatestAttempts({
  deliveries,
}: {
  deliveries: Pick<DeliveryStore, 'last' | 'latest' | 'behind'>
}): LatestAttempts {
  let known = new Map<string, Known>()
  /** The number up to which `known` is complete. */
  let seen = 0
  let reading: Promise<unknown> = Promise.resolve()

  async function readNew(): Promise<void> {
    const last = await deliveries.last()
    if (known.size === 0 || last - seen > MOST_NEW) {
      known = new Map()
      seen = last
      return
    }
    const fresh: AttemptInShort[] = []
    for (let after = Math.max(0, seen - OVERLAP); after < last; ) {
      const page = await deliveries.behind(after, NEW_AT_ONCE)
      fresh.push(...page)
      after = page.at(-1)?.n ?? last
    }
    for (const [destination, attempts] of Map.groupBy(fresh, one => one.destination)) {
      const before = known.get(destination)
      if (before) known.set(destination, joined(before, attempts))
    }
    seen = Math.max(seen, last)
  }

  /** One that was not asked for before. */
  async function load(destination: string): Promise<Known> {
    const latest = await deliveries.latest(destination, SAMPLE)
    const found = joined(NONE, latest.toReversed())
    if (latest.length < SAMPLE || latest.some(({ delivered }) => delivered)) return found
    // Only failures: the last success is further back.
    let [failingSince, before] = [found.failingSince, latest.at(-1)?.n ?? 0]
    for (let looked = 0; looked < MOST_OLDER; looked += OLDER_AT_ONCE) {
      const older = await deliveries.latest(destination, OLDER_AT_ONCE, before)
      const success = older.findIndex(({ delivered }) => delivered)
      const failed = success < 0 ? older : older.slice(0, success)
      failingSince = failed.at(-1)?.at ?? failingSince
      if (success >= 0) return summed({ ...found, failingSince, lastSuccessAt: older[success]?.at ?? null })
      if (older.length < OLDER_AT_ONCE) break
      before = older.at(-1)?.n ?? 0
    }
    return summed({ ...found, failingSince })
  }

  async function read(destinations: readonly string[]): Promise<ReadonlyMap<string, Fared>> {
    await readNew()
    const found = new Map<string, Fared>()
    const missing = destinations.filter(destination => !known.has(destination))
    for (let from = 0; from < missing.length; from += LOADS_AT_ONCE)
      await Promise.all(
        missing.slice(from, from + LOADS_AT_ONCE).map(async destination => {
          known.set(destination, await load(destination))
        }),
      )
    for (const destination of destinations) {
      const one = known.get(destination)
      if (one?.fared) found.set(destination, one.fared)
    }
    return found
  }

  return {
    of(destinations) {
      // One after the other: each goes on from where the one before has read to.
      const mine = reading.then(() => read(destinations))
      reading = mine.catch(() => {})
      return mine
    },
    forget(destination) {
      known.delete(destination)
    },
  }
}

/** `fresh`: oldest first; what is known already counts once. */
function joined(before: Known, fresh: readonly AttemptInShort[]): Known {
  const newest = before.attempts[0]?.n ?? 0
  const numbers = new Set(before.attempts.map(({ n }) => n))
  const oldest = before.attempts.length < SAMPLE ? 0 : (before.attempts.at(-1)?.n ?? 0)
  const added = fresh.filter(({ n }) => n > oldest && !numbers.has(n))
  if (added.length === 0) return before
  let { lastError, failingSince, lastSuccessAt } = before
  for (const { n, at, delivered, error } of added) {
    if (n < newest) continue
    lastError = delivered ? null : error
    failingSince = delivered ? null : (failingSince ?? at)
    if (delivered) lastSuccessAt = at
  }
  const attempts = [...added.map(({ n, at, ms, delivered }) => ({ n, at, ms, delivered })), ...before.attempts]
    .toSorted((a, b) => b.n - a.n)
    .slice(0, SAMPLE)
  return summed({ attempts, lastError, failingSince, lastSuccessAt })
}

function summed({ attempts, lastError, failingSince, lastSuccessAt }: Omit<Known, 'fared'>): Known {
  const times = attempts.map(({ ms }) => ms).toSorted((a, b) => a - b)
  const latest = attempts.findIndex(({ delivered }) => delivered)
  const fared = {
    successRate: attempts.filter(({ delivered }) => delivered).length / attempts.length,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    ...{ lastError, failingSince, lastSuccessAt },
    failuresInRow: latest < 0 ? attempts.length : latest,
  }
  return { fared, attempts, lastError, failingSince, lastSuccessAt }
}

/** By nearest rank. */
const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.ceil(sorted.length * share) - 1] ?? 0
