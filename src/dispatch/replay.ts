import type { EventFilter } from '../store/store.ts'
import type { Destination } from './destination.ts'

/** The part of a replay that its destination wants at all; null: none of it. */
export function narrowed(
  filter: EventFilter,
  destination: Pick<Destination, 'types' | 'connections'>,
): EventFilter | null {
  const types = both(filter.types, destination.types)
  const connections = both(filter.connections, destination.connections)
  if (types?.length === 0 || connections?.length === 0) return null
  return { ...filter, ...(types ? { types } : {}), ...(connections ? { connections } : {}) }
}

function both<T>(asked: readonly T[] | undefined, wanted: ReadonlySet<T> | null): readonly T[] | undefined {
  if (!wanted) return asked
  return asked ? asked.filter(one => wanted.has(one)) : [...wanted]
}
