import type { FieldError } from '../../schemas/api.ts'
import type { DestinationView } from '../control.ts'
import type { ApiDeps } from './deps.ts'
import { invalid } from './problem.ts'

/** What exists: a filter that names something else is a mistake of the caller, not an empty list. */
export interface Known {
  /** Refuses connections that are neither configured nor in the store. */
  connections(ids: readonly string[] | null | undefined, path: string): Promise<void>
  /** Refuses a destination there is none of. */
  destination(id: string | undefined, path: string): Promise<void>
  /** Handlers and endpoints, also those of another process. */
  destinations(): Promise<readonly DestinationView[]>
}

export function createKnown({
  config,
  store,
  dispatch,
  handlers = [],
}: Pick<ApiDeps, 'config' | 'store' | 'dispatch' | 'handlers'>): Known {
  async function destinations(): Promise<readonly DestinationView[]> {
    const endpoints = await store.endpoints.list()
    const views = new Map<string, DestinationView>()
    for (const id of handlers) views.set(id, { id, kind: 'handler', state: 'active' })
    for (const { id, state } of endpoints) views.set(id, { id, kind: 'endpoint', state })
    for (const view of dispatch?.destinations() ?? []) {
      // What the store says of an endpoint is newer than what the dispatcher has read, but for an open circuit.
      const stored = views.get(view.id)
      if (view.kind === 'handler') views.set(view.id, view)
      else if (stored && stored.state === 'active' && view.state === 'open') views.set(view.id, view)
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
      refuse(unknown.filter(id => !stored.has(id)).map(id => ({ path, message: `there is no connection "${id}"` })))
    },
    async destination(id, path) {
      if (id === undefined || (await destinations()).some(destination => destination.id === id)) return
      refuse([{ path, message: `there is no destination "${id}"` }])
    },
  }
}
