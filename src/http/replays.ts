import { Queued, Replay } from '../../schemas/api.ts'
import type { ApiDeps } from './deps.ts'
import { eventFilter } from './events.ts'
import { reply } from './json.ts'
import type { Known } from './known.ts'
import { notFound } from './problem.ts'
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
        const queued = dispatch ? await dispatch.replay(id, filter) : await store.lanes.replay(id, filter, clock.now())
        return reply({ queued }, 202)
      },
    })

  return [replay('endpoint'), replay('destination')]
}
