import { createBell } from '../bell.ts'
import type { Clock } from '../clock.ts'

/** Calls for one order within this time are one fetch. */
const QUIET_MS = 1_000
/** Orders waiting to be read singly; beyond it the polls find them. */
const MOST_WAITING = 10_000
const BATCH = 50

/** Collects orders that should be read now (inbound webhooks, retries by hand): the first call at once, a flood of them once a second. */
export function createRefetcher({ clock }: { clock: Clock }) {
  /** When each may be read, at the earliest. */
  const waiting = new Map<string, number>()
  const lastTaken = new Map<string, number>()
  const bell = createBell(clock)

  function ready(): { orderIds: string[]; earliest: number } {
    const now = clock.monotonic()
    for (const [orderId, at] of lastTaken) if (now - at >= QUIET_MS) lastTaken.delete(orderId)
    const orderIds: string[] = []
    let earliest = Number.POSITIVE_INFINITY
    for (const [orderId, notBefore] of waiting) {
      const at = Math.max(notBefore, (lastTaken.get(orderId) ?? Number.NEGATIVE_INFINITY) + QUIET_MS)
      if (at > now) earliest = Math.min(earliest, at)
      else if (orderIds.push(orderId) === BATCH) break
    }
    return { orderIds, earliest }
  }

  return {
    /** `delayMs`: not before that; a call without it is not held up by one with it. */
    add(orderId: string, delayMs = 0): void {
      const notBefore = clock.monotonic() + delayMs
      const known = waiting.get(orderId)
      if (known === undefined && waiting.size >= MOST_WAITING) return
      waiting.set(orderId, Math.min(known ?? notBefore, notBefore))
      bell.ring()
    },
    /** The orders to read now; waits for some. Empty when the signal aborted. */
    async next(signal: AbortSignal): Promise<readonly string[]> {
      while (!signal.aborted) {
        const { orderIds, earliest } = ready()
        for (const orderId of orderIds) {
          waiting.delete(orderId)
          lastTaken.set(orderId, clock.monotonic())
        }
        if (orderIds.length > 0) return orderIds
        await bell.wait(signal, earliest - clock.monotonic())
      }
      return []
    },
  }
}
