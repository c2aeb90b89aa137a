import { pageOf, QuarantineEntry, Queued } from '../../../schemas/api.ts'
import { QuarantineQuery } from '../../../schemas/api-requests.ts'
import { timestamp } from '../../lib/clock.ts'
import type { ApiDeps } from '../deps.ts'
import { reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import { pageByNumber } from '../paging.ts'
import { notFound, Refusal } from '../problem.ts'
import { readAgain } from '../read-again.ts'
import { type Route, route } from '../route.ts'

/** `/v1/quarantine`: orders, values and spans of time that could not be understood. */
export function quarantineRoutes(deps: ApiDeps & { known: KnownIds }): Route[] {
  const { config, store, ingest, clock, known } = deps
  return [
    route({
      method: 'GET',
      path: '/v1/quarantine',
      access: 'read',
      query: QuarantineQuery,
      summary: 'What was not understood, newest first',
      tag: 'quarantine',
      answers: {
        200: { description: 'Orders, values and spans of time in quarantine', schema: pageOf(QuarantineEntry) },
      },
      async handle({ query: { connection, order, ...paging } }) {
        await known.connections(connection === undefined ? [] : [connection], 'connection')
        const orderId = await known.order(order, connection === undefined ? undefined : [connection])
        const filter = {
          ...(connection !== undefined && { connection }),
          ...(orderId !== undefined && { orderId }),
        }
        const { data, next } = await pageByNumber('quarantine', paging, asked => store.quarantine.list(filter, asked))
        const entries = data.map(({ id, connection, orderId, at, reason, path, value }) => ({
          id,
          connection,
          orderId,
          at: timestamp(at),
          reason,
          path,
          value,
        }))
        return reply({ data: entries, next })
      },
    }),
    route({
      method: 'POST',
      path: '/v1/quarantine/{id}/retry',
      access: 'write',
      summary: 'Read the order, the span of time, or the window that listed the row, again',
      description: 'The entry goes when the order is understood, or the span can be read.',
      tag: 'quarantine',
      answers: { 202: { description: 'It will be read soon', schema: Queued } },
      problems: [404, 409],
      async handle({ params }) {
        const entry = await store.quarantine.get(params.id)
        if (!entry) throw notFound('There is no quarantine entry with this id.')
        const { connection: id, orderId, span } = entry
        if (!config.connections.find(connection => connection.id === id)?.enabled)
          throw new Refusal(409, `The connection "${id}" is not (any more) polled by this configuration.`)
        if (orderId !== null) await readAgain(deps, id, orderId)
        else {
          // The next poll of any process reads it.
          if (span !== null) await store.quarantine.makeDue(entry.id, clock.now())
          else if ((await store.unnamedWindows.makeDue(id, clock.now())) === 0)
            throw new Refusal(
              409,
              'Not even the order id could be read, and the window that listed the row was read again to no avail. The reconciliation reads it once a day.',
            )
          ingest?.wake(id)
        }
        return reply({ queued: 1 }, 202)
      },
    }),
  ]
}
