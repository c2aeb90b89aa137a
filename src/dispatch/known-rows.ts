import type { LaneStore } from '../store/port/lanes.ts'
import type { Persist } from './persist.ts'
import type { SpillOwner } from './spill.ts'

/** What this process knows about the lane rows of one destination, kept right while rows come and go. */
export interface KnownRows extends Pick<SpillOwner, 'spilling' | 'spilled'> {
  /** False: the destination certainly has no rows. */
  readonly any: boolean
  /** Grows whenever rows may have come. */
  readonly version: number
  /** Rows may have come. */
  changed(): void
  /** A lane left memory and has, or may have, a row. */
  added(orderKey: string): void
  /** The store was counted and has no rows. It counts only if `version` is still the one from before the count. */
  none(version: number): void
  /**
   * Which of these orders have a row. Rows that come until `close` are included, so decisions made before the next `await` see a
   * consistent answer. null: the dispatcher stopped.
   */
  lookUp(orderKeys: readonly string[]): Promise<LaneLookup | null>
  /** Open lookups answer yes from now on: rows may have come that they do not know. */
  doubtLookups(): void
  /** Resolves when no spill is under way. */
  spillsDone(): Promise<void>
}

export interface LaneLookup {
  has(orderKey: string): boolean
  close(): void
}

export function createKnownRows(deps: {
  destination: string
  lanes: Pick<LaneStore, 'existing'>
  persist: Persist
}): KnownRows {
  let any = true
  let version = 0
  let spilling = 0
  const waiting: (() => void)[] = []
  const lookups = new Set<{ readonly rows: Set<string>; doubted: boolean }>()

  function changed(): void {
    version++
    any = true
  }

  return {
    get any() {
      return any
    },
    get version() {
      return version
    },
    changed,
    added(orderKey) {
      for (const { rows } of lookups) rows.add(orderKey)
      changed()
    },
    none(counted) {
      if (counted === version && spilling === 0) any = false
    },
    async lookUp(orderKeys) {
      const lookup = { rows: new Set<string>(), doubted: false }
      lookups.add(lookup)
      const found = await deps.persist('a look for lanes', () => deps.lanes.existing(deps.destination, orderKeys))
      if (found === null) {
        lookups.delete(lookup)
        return null
      }
      for (const orderKey of found) lookup.rows.add(orderKey)
      return {
        has: orderKey => lookup.doubted || lookup.rows.has(orderKey),
        close: () => void lookups.delete(lookup),
      }
    },
    doubtLookups() {
      for (const lookup of lookups) lookup.doubted = true
    },
    spilling() {
      spilling++
      changed()
    },
    spilled() {
      spilling--
      if (spilling === 0) for (const resolve of waiting.splice(0)) resolve()
      changed()
    },
    async spillsDone() {
      if (spilling > 0) await new Promise<void>(resolve => waiting.push(resolve))
    },
  }
}
