import type { FieldError } from '../../schemas/api.ts'
import type { DestinationView } from '../dispatch/dispatch-control.ts'
import type { ApiDeps } from './deps.ts'
import { invalid } from './problem.ts'

/** A longer list would hide the rest of the message. */
const MOST_LISTED = 20

function listed(ids: readonly string[]): string {
  const some = ids.slice(0, MOST_LISTED).map(id => `"${id}"`)
  return [...some, ...(ids.length > MOST_LISTED ? ['…'] : [])].join(', ') || 'there are none'
}

/** The ids that exist. A filter with an unknown id is answered 400 instead of with an empty list. */
export interface KnownIds {
  /** Throws 400 for a connection that is neither configured nor in the store. */
  connections(ids: readonly string[] | null | undefined, path: string): Promise<void>
  /** Throws 400 for an unknown destination. */
  destination(id: string | undefined, path: string): Promise<void>
  /** The id of an order named by its id or its number. An unknown name is returned unchanged and finds nothing. */
  order(name: string | undefined, connections?: readonly string[]): Promise<string | undefined>
  /** Handlers and endpoints, including those of other processes. */
  destinations(): Promise<readonly DestinationView[]>
}

/** The reason of a pause that a person asked for. */
export const PAUSED = 'Paused by request.'

const isOpen = (stored: DestinationView, view: DestinationView) => stored.state === 'active' && view.state === 'open'

export function createKnownIds({
  config,
  store,
  dispatch,
  handlers = [],
}: Pick<ApiDeps, 'config' | 'store' | 'dispatch' | 'handlers'>): KnownIds {
  async function destinations(): Promise<readonly DestinationView[]> {
    const [endpoints, paused] = await Promise.all([store.endpoints.list(), store.pauses.list()])
    // The store decides: another process may just have paused or resumed it.
    const handlerState = (id: string) =>
      paused.has(id) ? ({ state: 'paused', stateReason: PAUSED } as const) : ({ state: 'active' } as const)
    const views = new Map<string, DestinationView>()
    for (const id of handlers) views.set(id, { id, kind: 'handler', ...handlerState(id) })
    for (const { id, state, stateReason, restUntil } of endpoints)
      views.set(id, { id, kind: 'endpoint', state, stateReason, restUntil })
    for (const view of dispatch?.destinations() ?? []) {
      // The row of an endpoint is newer than the dispatcher's copy. Only the dispatcher knows of an open circuit.
      const stored = views.get(view.id)
      if (view.kind === 'handler') views.set(view.id, { ...view, ...handlerState(view.id) })
      else if (stored) views.set(view.id, { ...view, ...stored, ...(isOpen(stored, view) && { state: 'open' }) })
    }
    return [...views.values()]
  }

  const refuse = (errors: readonly FieldError[]) => {
    if (errors.length > 0) throw invalid(errors)
  }

  return {
    destinations,
    async connections(ids, path) {
      const configured = new Set(config.connections.map(({ id }) => id))
      const unknown = (ids ?? []).filter(id => !configured.has(id))
      if (unknown.length === 0) return
      const stored = new Set((await store.connections.list()).map(({ id }) => id))
      const odd = unknown.filter(id => !stored.has(id))
      const all = [...new Set([...configured, ...stored])]
      refuse(odd.map(id => ({ path, message: `expected the id of a connection (${listed(all)}), found "${id}"` })))
    },
    async order(name, connections) {
      if (name === undefined) return undefined
      const asked = connections ? new Set(connections) : null
      const numbered = (await store.orders.idsOfNumber(name)).filter(one => asked?.has(one.connection) ?? true)
      const ids = [...new Set(numbered.map(({ orderId }) => orderId))]
      const [only] = ids
      if (only === undefined || ids.includes(name)) return name
      // An id is unique, so it wins over a number.
      if ((await store.events.list({ orderId: name }, { limit: 1 })).length > 0) return name
      if (ids.length === 1) return only
      const found = numbered.map(({ connection, orderId }) => `${connection}/${orderId}`)
      throw invalid([
        {
          path: 'order',
          message: `expected one order, found several of this number; name one by its id: ${listed(found)}`,
        },
      ])
    },
    async destination(id, path) {
      if (id === undefined) return
      const ids = (await destinations()).map(destination => destination.id)
      if (ids.includes(id)) return
      refuse([{ path, message: `expected the id of a destination (${listed(ids)}), found "${id}"` }])
    },
  }
}
