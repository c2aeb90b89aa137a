import type { EventType } from '../../schemas/order-event.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { Destination } from './destination.ts'

/** Who gets an event. Looked up per event, so it costs nothing per destination that does not want it. */
export interface Subscriptions<T extends { readonly destination: Destination }> {
  set(takers: readonly T[]): void
  subscribersOf(event: EventRecord): readonly T[]
}

/** Takers of a type and connection; `picky` if one of them looks into the event as well. */
interface Group<T> {
  readonly takers: readonly T[]
  readonly picky: boolean
}

export function createSubscriptions<T extends { readonly destination: Destination }>(): Subscriptions<T> {
  let takers: readonly T[] = []
  const known = new Map<EventType, Map<string, Group<T>>>()
  const parse = createParser()

  function groupOf(type: EventType, connection: string): Group<T> {
    let byConnection = known.get(type)
    if (!byConnection) {
      byConnection = new Map()
      known.set(type, byConnection)
    }
    let found = byConnection.get(connection)
    if (!found) {
      const wanting = takers.filter(
        ({ destination: { types, connections } }) =>
          (types?.has(type) ?? true) && (connections?.has(connection) ?? true),
      )
      found = { takers: wanting, picky: wanting.some(({ destination }) => destination.matches) }
      byConnection.set(connection, found)
    }
    return found
  }

  return {
    set(list) {
      takers = list
      known.clear()
    },
    subscribersOf(event) {
      const group = groupOf(event.type, event.connection)
      if (!group.picky) return group.takers
      const body = parse(event)
      return group.takers.filter(({ destination: { matches } }) => matches?.(body) ?? true)
    },
  }
}

/** Parses the body of an event once, however often it is asked for while the record lives. */
function createParser(): (event: EventRecord) => unknown {
  const bodies = new WeakMap<EventRecord, { readonly body: unknown }>()
  return event => {
    let found = bodies.get(event)
    if (!found) {
      found = { body: JSON.parse(event.body) }
      bodies.set(event, found)
    }
    return found.body
  }
}
