import type { EventType } from '../../schemas/order-event.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { Destination } from './destination.ts'

/** Finds the destinations that want an event. Those that do not want its type or connection cost nothing. */
export interface Subscriptions<T extends { readonly destination: Destination }> {
  set(subscribers: readonly T[]): void
  subscribersOf(event: EventRecord): readonly T[]
}

/** Subscribers to one type of one connection; `filters`: at least one of them has a filter on the event's content. */
interface Group<T> {
  readonly subscribers: readonly T[]
  readonly filters: boolean
}

export function createSubscriptions<T extends { readonly destination: Destination }>(): Subscriptions<T> {
  let subscribers: readonly T[] = []
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
      const wanting = subscribers.filter(
        ({ destination: { types, connections } }) =>
          (types?.has(type) ?? true) && (connections?.has(connection) ?? true),
      )
      found = { subscribers: wanting, filters: wanting.some(({ destination }) => destination.matches) }
      byConnection.set(connection, found)
    }
    return found
  }

  return {
    set(list) {
      subscribers = list
      known.clear()
    },
    subscribersOf(event) {
      const group = groupOf(event.type, event.connection)
      if (!group.filters) return group.subscribers
      const body = parse(event)
      return group.subscribers.filter(({ destination: { matches } }) => matches?.(body) ?? true)
    },
  }
}

/** Parses the body of an event once: the fan-out asks for its subscribers several times. */
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
