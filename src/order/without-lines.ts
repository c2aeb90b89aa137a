import type { EventRecord } from './event-record.ts'

interface Lined {
  lines: unknown[]
}

/** The event's body without the lines of its order and its shipment, for logs that refuse large events; null: it has no lines. */
export function withoutLines({ body }: EventRecord): string | null {
  // The caller passes unpublished events only, which `decide` made.
  const event = JSON.parse(body) as { data: { order?: Partial<Lined>; shipment?: Partial<Lined> } }
  const lined = [event.data.order, event.data.shipment].filter(part => part?.lines && part.lines.length > 0)
  for (const part of lined) if (part) part.lines = []
  return lined.length > 0 ? JSON.stringify(event) : null
}
