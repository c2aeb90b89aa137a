import type { EventRecord } from './event-record.ts'

interface Lined {
  lines: unknown[]
}

/** The event's body with the lines of its order and its shipment left out; null: it has none to leave out. */
export function withoutLines({ body }: EventRecord): string | null {
  // An event that is still to be published is one that `decide` made.
  const event = JSON.parse(body) as { data: { order?: Partial<Lined>; shipment?: Partial<Lined> } }
  const lined = [event.data.order, event.data.shipment].filter(part => part?.lines && part.lines.length > 0)
  for (const part of lined) if (part) part.lines = []
  return lined.length > 0 ? JSON.stringify(event) : null
}
