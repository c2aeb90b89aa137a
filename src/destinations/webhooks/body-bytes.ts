import type { EventRecord } from '../../order/event-record.ts'

/** Bytes of bodies that are kept. */
const KEEP = 1024 * 1024

/** The body of an event as bytes. The endpoints get an event at about the same time, so it is encoded once for all of them. */
export type BodyBytes = (event: EventRecord) => Buffer

export function createBodyBytes(keep = KEEP): BodyBytes {
  let known = new WeakMap<EventRecord, Buffer>()
  let size = 0
  return event => {
    const found = known.get(event)
    if (found) return found
    const bytes = Buffer.from(event.body)
    size += bytes.length
    if (size > keep) {
      known = new WeakMap()
      size = bytes.length
    }
    known.set(event, bytes)
    return bytes
  }
}
