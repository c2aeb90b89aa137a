import type { EventRecord } from '../order/event-record.ts'
import type { EventFilter } from '../store/port/events.ts'
import type { Destination } from './destination.ts'

/** Narrows a replay to what its destination subscribes to; null: nothing is left. */
export function narrowed(
  filter: EventFilter,
  destination: Pick<Destination, 'types' | 'connections'>,
): EventFilter | null {
  const types = both(filter.types, destination.types)
  const connections = both(filter.connections, destination.connections)
  if (types?.length === 0 || connections?.length === 0) return null
  return { ...filter, ...(types ? { types } : {}), ...(connections ? { connections } : {}) }
}

/** Which of the events found by a narrowed filter the destination wants; undefined: all. */
export function wantedBy({ matches }: Pick<Destination, 'matches'>): ((event: EventRecord) => boolean) | undefined {
  return matches ? event => matches(JSON.parse(event.body)) : undefined
}

function both<T>(asked: readonly T[] | undefined, wanted: ReadonlySet<T> | null): readonly T[] | undefined {
  if (!wanted) return asked
  return asked ? asked.filter(one => wanted.has(one)) : [...wanted]
}
