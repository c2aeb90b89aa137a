import { OrderAnswer } from '../../../schemas/api.ts'
import { timestamp } from '../../lib/clock.ts'
import type { ApiDeps } from '../deps.ts'
import { RawJson, reply } from '../json.ts'
import { notFound } from '../problem.ts'
import { type Route, route } from '../route.ts'

/** `/v1/orders`: one order as last seen, and what happened to it. */
export function orderRoutes({ config, store }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/orders/{connection}/{orderId}',
      access: 'read',
      summary: 'One order and its events',
      tag: 'orders',
      answers: { 200: { description: 'As last seen', schema: OrderAnswer } },
      problems: [404],
      async handle({ params: { connection, orderId } }) {
        const [row, events] = await Promise.all([
          store.orders.get(connection, orderId),
          store.events.ofOrder(connection, orderId),
        ])
        const vendor =
          config.connections.find(({ id }) => id === connection)?.vendor ??
          (row && (await store.connections.get(connection))?.vendor)
        if (!row || !vendor) throw notFound('No order with this id was seen on this connection.')
        return reply({
          order: { connection, vendor, observedAt: timestamp(row.observedAt), ...row.snapshot },
          events: events.map(({ body }) => new RawJson(body)),
        })
      },
    }),
  ]
}
