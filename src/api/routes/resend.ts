import { Queued } from '../../../schemas/api.ts'
import { Resend } from '../../../schemas/api-requests.ts'
import { narrowed, wantedBy } from '../../dispatch/replay-filter.ts'
import { compileFilter } from '../../dispatch/subscription-filter.ts'
import type { EventFilter } from '../../store/port/events.ts'
import type { ApiDeps } from '../deps.ts'
import { reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import { invalid, notFound, Refusal } from '../problem.ts'
import { type Route, route } from '../route.ts'

/** Queues past events again for one destination; returns how many. */
export const createReplays =
  ({ store, dispatch, clock }: Pick<ApiDeps, 'store' | 'dispatch' | 'clock'>) =>
  (id: string, filter: EventFilter): Promise<number> =>
    dispatch ? dispatch.replay(id, filter) : askInStore({ store, clock }, id, filter)

/** Resends one event; the replay of many is in `destination-actions.ts`. */
export function resendRoutes(deps: Pick<ApiDeps, 'store' | 'dispatch' | 'clock'> & { known: KnownIds }): Route[] {
  const { store, known } = deps
  const ask = createReplays(deps)

  return [
    route({
      method: 'POST',
      path: '/v1/events/{id}/resend',
      access: 'write',
      body: Resend,
      summary: 'Deliver one event again to one destination, now',
      tag: 'events',
      answers: { 202: { description: 'It is queued', schema: Queued } },
      problems: [404],
      async handle({ params: { id }, body: { destination } }) {
        if (!(await store.events.get(id))) throw notFound('There is no event with this id in the history.')
        await known.destination(destination, 'destination')
        const queued = await ask(destination, { eventId: id })
        if (queued === 0)
          throw invalid([
            {
              path: 'destination',
              message: `expected a destination that takes this event, found "${destination}", which does not take this event: see its types and filter`,
            },
          ])
        return reply({ queued }, 202)
      },
    }),
  ]
}

/** If another process delivers, it finds the request in the store. The subscription of a handler is known only to that process. */
async function askInStore(
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
  const { types, connections } = endpoint
  const wanted = narrowed(filter, {
    types: types && new Set(types),
    connections: connections && new Set(connections),
  })
  const matches = endpoint.filter && compileFilter(endpoint.filter)
  return wanted ? store.replays.add(id, wanted, clock.now(), wantedBy({ matches })) : 0
}
