import type { z } from 'zod'
import { DeadLetter, DeadLetterPreview, Discarded, pageOf, Queued } from '../../../schemas/api.ts'
import { DeadLetterQuery, Discard, Redrive, RedriveQuery } from '../../../schemas/api-requests.ts'
import { timestamp } from '../../lib/clock.ts'
import type { DeadLetterFilter } from '../../store/port/dead-letters.ts'
import type { ApiDeps } from '../deps.ts'
import { RawJson, reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import { pageByNumber } from '../paging.ts'
import { notFound } from '../problem.ts'
import { type Route, route } from '../route.ts'
import { eventFilter } from './events.ts'

type Asked = Omit<z.output<typeof Redrive>, 'dryRun'>

/** `/v1/dead-letters`: lists, redrives and discards them. */
export function deadLetterRoutes({
  store,
  dispatch,
  clock,
  log,
  known,
}: Pick<ApiDeps, 'store' | 'dispatch' | 'clock' | 'log'> & { known: KnownIds }): Route[] {
  async function letterFilter({ ids, destination, type, error, since, until }: Asked): Promise<DeadLetterFilter> {
    await known.destination(destination, 'destination')
    return {
      ...(ids && { ids }),
      ...(destination !== undefined && { destination }),
      ...(error !== undefined && { error }),
      ...eventFilter({ type: typeof type === 'string' ? [type] : type, since, until }),
    }
  }

  return [
    route({
      method: 'GET',
      path: '/v1/dead-letters',
      access: 'read',
      query: DeadLetterQuery,
      summary: 'Dead letters, newest first',
      tag: 'dead letters',
      answers: { 200: { description: 'With the events themselves', schema: pageOf(DeadLetter) } },
      async handle({ query }) {
        const { limit, after, ...asked } = query
        const paging = { limit, after }
        const filter = await letterFilter(asked)
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
      query: RedriveQuery,
      body: Redrive,
      summary: 'Deliver dead letters again',
      description: 'They keep their order among themselves. With `dryRun` they are only counted.',
      tag: 'dead letters',
      answers: {
        200: { description: 'How many there are (`dryRun`)', schema: DeadLetterPreview },
        202: { description: 'They are queued', schema: Queued },
      },
      async handle({ query, body: { dryRun, ...asked } }) {
        const filter = await letterFilter(asked)
        if (dryRun ?? query.dryRun) return reply({ matching: await store.deadLetters.count(filter) })
        const queued = await store.deadLetters.redrive(filter, clock.now())
        dispatch?.wake()
        return reply({ queued }, 202)
      },
    }),
    route({
      method: 'POST',
      path: '/v1/dead-letters/discard',
      access: 'write',
      body: Discard,
      summary: 'Discard dead letters',
      description:
        'Their events stay in the history, and a replay can still deliver them. Orders that they held go on. The log says how many, which and why.',
      tag: 'dead letters',
      answers: { 200: { description: 'They are gone', schema: Discarded } },
      async handle({ body: { reason, ...asked } }) {
        const discarded = await store.deadLetters.discard(await letterFilter(asked), clock.now())
        log.warn({ ...asked, reason, discarded }, 'dead letters were discarded by request')
        dispatch?.wake()
        return reply({ discarded })
      },
    }),
  ]
}
