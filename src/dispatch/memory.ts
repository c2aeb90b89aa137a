/** Limits in characters of event bodies: for one destination, and for all together. */
const [DESTINATION, TOTAL] = [16 * 1024 * 1024, 96 * 1024 * 1024]

/**
 * Limits how much memory the queued live events take. A count alone is no limit, since an event may have up to 900 kB. Events that do not
 * fit go to the store.
 */
export interface Memory {
  /** The share of one destination. The first event of an empty queue always fits, so every destination makes progress. */
  share(): MemoryShare
}

export interface MemoryShare {
  fits(size: number): boolean
  /** More than half of the limit is taken. */
  readonly full: boolean
  take(size: number): void
  release(size: number): void
}

export function createMemory({ destination = DESTINATION, total = TOTAL } = {}): Memory {
  let all = 0
  return {
    share() {
      let own = 0
      return {
        fits: size => own === 0 || (own + size <= destination && all + size <= total),
        get full() {
          return own > destination / 2 || (own > 0 && all > total / 2)
        },
        take(size) {
          own += size
          all += size
        },
        release(size) {
          own -= size
          all -= size
        },
      }
    },
  }
}
