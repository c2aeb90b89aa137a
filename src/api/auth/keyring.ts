import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { KeyRole, KeyRow, KeyStore } from '../../store/port/keys.ts'
import type { Log } from '../../telemetry/log.ts'

/** What was read of the keys is good for so long: how late another process learns of a new or removed one. */
const FRESH_MS = 2_000
const USED_EVERY_MS = 60_000

/** The keys made through the API, as this process knows them. */
export interface Keyring {
  /** By the SHA-256 of a key, base64url; null: none of ours. */
  roleOf(digest: string): Promise<KeyRole | null>
  isEmpty(): Promise<boolean>
  /** This process changed the keys: read them again. */
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
      // While the store is away nothing but metrics can be had anyway: for those the last keys known will do.
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
      // Every key is compared, so that the time does not tell which one came close.
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
