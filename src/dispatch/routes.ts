import type { EventType } from '../../schemas/order-event.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { Destination } from './destination.ts'

/** Who gets an event. Looked up per event, so it costs nothing per destination that does not want it. */
export interface Routes<T extends { readonly destination: Destination }> {
  set(takers: readonly T[]): void
  of(event: Pick<EventRecord, 'type' | 'connection'>): readonly T[]
}

export function createRoutes<T extends { readonly destination: Destination }>(): Routes<T> {
  let takers: readonly T[] = []
  const known = new Map<EventType, Map<string, readonly T[]>>()

  return {
    set(list) {
      takers = list
      known.clear()
    },
    of({ type, connection }) {
      let byConnection = known.get(type)
      if (!byConnection) {
        byConnection = new Map()
        known.set(type, byConnection)
      }
      let found = byConnection.get(connection)
      if (!found) {
        found = takers.filter(
          ({ destination: { types, connections } }) =>
            (types?.has(type) ?? true) && (connections?.has(connection) ?? true),
        )
        byConnection.set(connection, found)
      }
      return found
    },
  }
}
