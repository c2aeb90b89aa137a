import { DeadLetter, pageOf, Queued } from '../../../schemas/api.ts'
import { DeadLetterQuery, Redrive } from '../../../schemas/api-requests.ts'
import { timestamp } from '../../lib/clock.ts'
import type { ApiDeps } from '../deps.ts'
import { RawJson, reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import { pageByNumber } from '../paging.ts'
import { notFound } from '../problem.ts'
import { type Route, route } from '../route.ts'
import { eventFilter } from './events.ts'

/** `/v1/dead-letters`: what was given up, and its way back into the backlog. */
export function deadLetterRoutes({
  store,
  dispatch,
  clock,
  known,
}: Pick<ApiDeps, 'store' | 'dispatch' | 'clock'> & { known: KnownIds }): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/dead-letters',
      access: 'read',
      query: DeadLetterQuery,
      summary: 'Dead letters, newest first',
      tag: 'dead letters',
      answers: { 200: { description: 'With the events themselves', schema: pageOf(DeadLetter) } },
      async handle({ query: { destination, ...paging } }) {
        await known.destination(destination, 'destination')
        const filter = destination === undefined ? {} : { destination }
        const { data, next } = await pageByNumber('dead-letters', paging, asked =>
          store.deadLetters.list(filter, asked),
        )
        const letters = data.map(({ id, destination, event, at, attempts, lastError, holding }) => ({
          id,
          destination,
          event: new RawJson(event.body),
          at: timestamp(at),
          attempts,
          lastError,
          holding,
        }))
        return reply({ data: letters, next })
      },
    }),
    route({
      method: 'POST',
      path: '/v1/dead-letters/{id}/redrive',
      access: 'write',
      summary: 'Deliver one dead letter again',
      tag: 'dead letters',
      answers: { 202: { description: 'It is queued', schema: Queued } },
      problems: [404],
      async handle({ params: { id } }) {
        if (!(await store.deadLetters.get(id))) throw notFound('There is no dead letter with this id.')
        const queued = await store.deadLetters.redrive({ ids: [id] }, clock.now())
        dispatch?.wake()
        return reply({ queued }, 202)
      },
    }),
    route({
      method: 'POST',
      path: '/v1/dead-letters/redrive',
      access: 'write',
      body: Redrive,
      summary: 'Deliver dead letters again',
      description: 'They keep their order among themselves.',
      tag: 'dead letters',
      answers: { 202: { description: 'They are queued', schema: Queued } },
      async handle({ body: { destination, type, since, until } }) {
        await known.destination(destination, 'destination')
        const filter = {
          ...(destination !== undefined && { destination }),
          ...eventFilter({ type: typeof type === 'string' ? [type] : type, since, until }),
        }
        const queued = await store.deadLetters.redrive(filter, clock.now())
        dispatch?.wake()
        return reply({ queued }, 202)
      },
    }),
  ]
}
