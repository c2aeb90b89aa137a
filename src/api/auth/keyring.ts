import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { KeyRole, KeyRow, KeyStore } from '../../store/port/keys.ts'
import type { Log } from '../../telemetry/log.ts'

/** Keys that were read are used for this long. Another process learns of a new or removed key this late. */
const FRESH_MS = 2_000
const USED_EVERY_MS = 60_000

/** The keys that were created through the API, cached in this process. */
export interface Keyring {
  /** The role of a key, by its SHA-256 in base64url; null: unknown key. */
  roleOf(digest: string): Promise<KeyRole | null>
  isEmpty(): Promise<boolean>
  /** Drops the cache after this process changed the keys. */
  forget(): void
}

export function createKeyring({ keys, clock, log }: { keys: KeyStore; clock: Clock; log: Log }): Keyring {
  let read: { at: number; rows: Promise<readonly KeyRow[]> } | null = null
  let lastKnown: readonly KeyRow[] | null = null
  const usedAt = new Map<string, number>()

  function rows(): Promise<readonly KeyRow[]> {
    const now = clock.monotonic()
    if (read !== null && now - read.at < FRESH_MS) return read.rows
    const mine = { at: now, rows: load() }
    read = mine
    return mine.rows
  }

  async function load(): Promise<readonly KeyRow[]> {
    try {
      lastKnown = await keys.list()
    } catch (error) {
      // Without the store only metrics can be served; the last known keys are good enough for those.
      if (lastKnown === null) throw error
    }
    return lastKnown
  }

  function used({ id }: KeyRow): void {
    const now = clock.monotonic()
    if (now - (usedAt.get(id) ?? Number.NEGATIVE_INFINITY) < USED_EVERY_MS) return
    usedAt.set(id, now)
    keys
      .used(id, clock.now())
      .catch(error => log.warn({ key: id, error: messageOf(error) }, 'cannot note when a key was used'))
  }

  return {
    async roleOf(digest) {
      const given = Buffer.from(digest)
      let found: KeyRow | null = null
      // Compare with every key, so the time does not reveal which one was close.
      for (const row of await rows()) if (timingSafeEqual(Buffer.from(row.digest), given)) found = row
      if (found) used(found)
      return found?.role ?? null
    },
    isEmpty: async () => (await rows()).length === 0,
    forget() {
      read = null
    },
  }
}
