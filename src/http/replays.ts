import { Queued } from '../../schemas/api.ts'
import { Replay, Resend } from '../../schemas/api-requests.ts'
import { compileFilter } from '../dispatch/filter.ts'
import { narrowed, wantedBy } from '../dispatch/replay.ts'
import type { EventFilter } from '../store/port/events.ts'
import type { ApiDeps } from './deps.ts'
import { eventFilter } from './events.ts'
import { reply } from './json.ts'
import type { Known } from './known.ts'
import { invalid, notFound, Refusal } from './problem.ts'
import { type Route, route } from './route.ts'

/** Past events again, for one destination: an endpoint, or (under `/v1/destinations`) also a handler. */
export function replayRoutes({
  store,
  dispatch,
  clock,
  known,
}: Pick<ApiDeps, 'store' | 'dispatch' | 'clock'> & { known: Known }): Route[] {
  const ask = (id: string, filter: EventFilter): Promise<number> =>
    dispatch ? dispatch.replay(id, filter) : askInStore({ store, clock }, id, filter)

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
        const queued = await ask(id, eventFilter({ type: types, order, since, until }))
        return reply({ queued }, 202)
      },
    })

  return [
    replay('endpoint'),
    replay('destination'),
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

/** Where another process delivers: it finds what was asked for in the store. What a handler wants is known only there. */
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
