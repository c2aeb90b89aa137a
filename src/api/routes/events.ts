import type { z } from 'zod'
import { EventAnswer, pageOf } from '../../../schemas/api.ts'
import { EventQuery, type StreamQuery } from '../../../schemas/api-requests.ts'
import { OrderEvent } from '../../../schemas/order-event.ts'
import type { EventFilter } from '../../store/port/events.ts'
import type { ApiDeps } from '../deps.ts'
import { RawJson, reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import { pageByNumber } from '../paging.ts'
import { notFound } from '../problem.ts'
import { type Route, route } from '../route.ts'
import { allDeliveriesOf } from './deliveries.ts'

type Asked = Partial<Pick<z.output<typeof StreamQuery>, 'type' | 'connection' | 'order' | 'since' | 'until'>>

/** The filter of the store for a query. */
export function eventFilter({ type, connection, order, since, until }: Asked): EventFilter {
  return {
    ...(type && { types: type }),
    ...(connection && { connections: connection }),
    ...(order !== undefined && { orderId: order }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  }
}

/** `order=desc` is a direction: no vendor has an order with such an id. */
function withDirection({ order, direction }: z.output<typeof EventQuery>) {
  return direction === undefined && (order === 'desc' || order === 'asc')
    ? { order: undefined, direction: order }
    : { order, direction }
}

/** `/v1/events`: the event history. */
export function eventRoutes({
  store,
  eventLog,
  known,
}: Pick<ApiDeps, 'store' | 'eventLog'> & { known: KnownIds }): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/events',
      access: 'read',
      query: EventQuery,
      summary: 'The event history, oldest first; with `order=desc` newest first',
      tag: 'events',
      answers: { 200: { description: 'The events themselves', schema: pageOf(OrderEvent) } },
      async handle({ query }) {
        await known.connections(query.connection, 'connection')
        const asked = withDirection(query)
        const newest = asked.direction === 'desc'
        const order = await known.order(asked.order, query.connection)
        const filter = eventFilter({ ...query, order })
        const { data, next } = await pageByNumber(newest ? 'events-newest' : 'events', query, paging =>
          store.events.list(filter, { ...paging, newest }),
        )
        return reply({ data: data.map(({ body }) => new RawJson(body)), next })
      },
    }),
    route({
      method: 'GET',
      path: '/v1/events/{id}',
      access: 'read',
      summary: 'One event and its deliveries',
      tag: 'events',
      answers: { 200: { description: 'The event, and how each destination got it', schema: EventAnswer } },
      problems: [404],
      async handle({ params }) {
        const event = await store.events.get(params.id)
        if (!event) throw notFound('There is no event with this id in the history.')
        const notice = eventLog.notice()
        const deliveries = await allDeliveriesOf(store, event.id)
        return reply({ event: new RawJson(event.body), deliveries, ...(notice !== null && { notice }) })
      },
    }),
  ]
}
