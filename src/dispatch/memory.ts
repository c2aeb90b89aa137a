/** Of live events, in characters of their bodies: what one destination may have queued in memory, and all of them together. */
const [DESTINATION, TOTAL] = [16 * 1024 * 1024, 96 * 1024 * 1024]

/**
 * What live events of all destinations may take of the memory. Events of up to 900 kB are allowed, so a count of events bounds nothing: what does
 * not fit goes to the store, as where a queue has too many.
 */
export interface Memory {
  /** The share of one destination. An event that is alone in its queue always fits, so that each destination goes on. */
  share(): MemoryShare
}

export interface MemoryShare {
  fits(size: number): boolean
  /** More than half of what is allowed is taken. */
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
