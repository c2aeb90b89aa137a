import { Queued, Replay } from '../../schemas/api.ts'
import { narrowed } from '../dispatch/replay.ts'
import type { EventFilter } from '../store/store.ts'
import type { ApiDeps } from './deps.ts'
import { eventFilter } from './events.ts'
import { reply } from './json.ts'
import type { Known } from './known.ts'
import { notFound, Refusal } from './problem.ts'
import { type Route, route } from './route.ts'

/** Past events again, for one destination: an endpoint, or (under `/v1/destinations`) also a handler. */
export function replayRoutes({
  store,
  dispatch,
  clock,
  known,
}: Pick<ApiDeps, 'store' | 'dispatch' | 'clock'> & { known: Known }): Route[] {
  const replay = (kind: 'endpoint' | 'destination'): Route =>
    route({
      method: 'POST',
      path: `/v1/${kind}s/{id}/replay`,
      access: 'write',
      body: Replay,
      summary: `Deliver past events again to this ${kind}, in order`,
      tag: `${kind}s`,
      answers: { 202: { description: 'They are queued', schema: Queued } },
      problems: [404],
      async handle({ params: { id }, body: { since, until, types, order } }) {
        const destination = (await known.destinations()).find(destination => destination.id === id)
        if (!destination || (kind === 'endpoint' && destination.kind === 'handler'))
          throw notFound(`There is no ${kind} "${id.slice(0, 100)}".`)
        const filter = eventFilter({ type: types, order, since, until })
        const queued = dispatch ? await dispatch.replay(id, filter) : await queueInStore({ store, clock }, id, filter)
        return reply({ queued }, 202)
      },
    })

  return [replay('endpoint'), replay('destination')]
}

/** Where another process delivers: it finds the queued events in the store. What a handler wants is known only there. */
export async function queueInStore(
  { store, clock }: Pick<ApiDeps, 'store' | 'clock'>,
  id: string,
  filter: EventFilter,
): Promise<number> {
  const endpoint = await store.endpoints.get(id)
  if (!endpoint)
    throw new Refusal(
      503,
      'This process does not deliver; replay to a handler through the one with the role "dispatch".',
    )
  const wanted = narrowed(filter, {
    types: endpoint.types && new Set(endpoint.types),
    connections: endpoint.connections && new Set(endpoint.connections),
  })
  return wanted ? store.lanes.replay(id, wanted, clock.now()) : 0
}
