import { FilterPreview } from '../../../schemas/api.ts'
import { FilterTest } from '../../../schemas/api-requests.ts'
import { compileFilter } from '../../dispatch/subscription-filter.ts'
import type { ApiDeps } from '../deps.ts'
import { RawJson, reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import { type Route, route } from '../route.ts'

/** The filter is tried on this many of the newest events. */
const EVENTS = 500
const EXAMPLES = 3

/** `/v1/filters/preview`: what an endpoint with this subscription would get. */
export function filterRoutes({ store, known }: Pick<ApiDeps, 'store'> & { known: KnownIds }): Route[] {
  return [
    route({
      method: 'POST',
      path: '/v1/filters/preview',
      access: 'read',
      body: FilterTest,
      summary: 'Try a filter on the newest 500 events',
      description:
        'Says how many an endpoint with these types, connections and filter would get, with examples of both. Changes nothing.',
      tag: 'endpoints',
      answers: { 200: { description: 'How many match', schema: FilterPreview } },
      async handle({ body: { types, connections, filter } }) {
        await known.connections(connections, 'connections')
        const matches = filter ? compileFilter(filter) : () => true
        const events = await store.events.list({}, { limit: EVENTS, newest: true })
        const matching: RawJson[] = []
        const other: RawJson[] = []
        for (const { type, connection, body } of events) {
          const isWanted =
            (types?.includes(type) ?? true) && (connections?.includes(connection) ?? true) && matches(JSON.parse(body))
          ;(isWanted ? matching : other).push(new RawJson(body))
        }
        const examples = { matching: matching.slice(0, EXAMPLES), other: other.slice(0, EXAMPLES) }
        return reply({ matched: matching.length, of: events.length, examples })
      },
    }),
  ]
}
