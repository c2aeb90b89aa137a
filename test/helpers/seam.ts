import type { EventRecord } from '../../src/order/event-record.ts'

/** What a destination acknowledged first, and every event that came before an earlier one of its order that it wants. */
export function watchOrder(wanted: (event: EventRecord) => boolean = () => true) {
  const acknowledged = new Set<string>()
  const last = new Map<string, number>()
  const inversions: string[] = []
  return {
    acknowledged,
    inversions,
    /** To be told of each success. */
    delivered(event: EventRecord): void {
      if (acknowledged.has(event.id)) return
      acknowledged.add(event.id)
      const before = last.get(event.orderKey) ?? 0
      if (event.sequence < before) inversions.push(`${event.orderKey}: ${event.sequence} after ${before}`)
      last.set(event.orderKey, Math.max(before, event.sequence))
    },
    missing: (events: Iterable<EventRecord>): string[] =>
      [...events].filter(event => wanted(event) && !acknowledged.has(event.id)).map(({ id }) => id),
  }
}
