import { OrderAnswer, OrderEntry, pageOf } from '../../../schemas/api.ts'
import { OrderQuery } from '../../../schemas/api-requests.ts'
import { timestamp } from '../../lib/clock.ts'
import type { OrderRow } from '../../store/port/orders.ts'
import type { ApiDeps } from '../deps.ts'
import { RawJson, reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import { pageByCursor } from '../paging.ts'
import { notFound, Refusal } from '../problem.ts'
import { type Route, route } from '../route.ts'

/** `/v1/orders`: finds orders, and shows one as last seen with its events. */
export function orderRoutes({
  config,
  store,
  known,
}: Pick<ApiDeps, 'config' | 'store'> & { known: KnownIds }): Route[] {
  async function found(connection: string, name: string): Promise<OrderRow | null> {
    const row = await store.orders.get(connection, name)
    if (row) return row
    const [first, ...others] = await store.orders.idsOfNumber(name, connection)
    if (others.length > 0)
      throw new Refusal(409, `${others.length + 1} orders of "${connection}" have this number; name one by its id.`)
    return first ? store.orders.get(connection, first.orderId) : null
  }

  return [
    route({
      method: 'GET',
      path: '/v1/orders',
      access: 'read',
      query: OrderQuery,
      summary: 'Orders, by number or id',
      description:
        'Orders whose number begins with `number` come first, by number; then orders whose id begins with it, by id.',
      tag: 'orders',
      answers: { 200: { description: 'In short', schema: pageOf(OrderEntry) } },
      async handle({ query: { number, connection, ...paging } }) {
        await known.connections(connection === undefined ? [] : [connection], 'connection')
        const search = {
          ...(number !== undefined && { text: number }),
          ...(connection !== undefined && { connection }),
        }
        const [{ data, next }, vendors] = await Promise.all([
          pageByCursor('orders', paging, asked => store.orders.find(search, asked)),
          store.connections.list().then(rows => new Map(rows.map(({ id, vendor }) => [id, vendor]))),
        ])
        const orders = data.flatMap(({ connection, observedAt, snapshot }): OrderEntry[] => {
          const vendor = vendors.get(connection)
          const { orderId, orderNumber, currency, total, placedAt, updatedAt, status } = snapshot
          const shown = { orderId, orderNumber, currency, total, placedAt, updatedAt, status }
          return vendor ? [{ connection, vendor, ...shown, observedAt: timestamp(observedAt) }] : []
        })
        return reply({ data: orders, next })
      },
    }),
    route({
      method: 'GET',
      path: '/v1/orders/{connection}/{orderId}',
      access: 'read',
      summary: 'One order and its events',
      tag: 'orders',
      answers: { 200: { description: 'As last seen', schema: OrderAnswer } },
      problems: [404, 409],
      async handle({ params: { connection, orderId } }) {
        const row = await found(connection, orderId)
        const vendor =
          config.connections.find(({ id }) => id === connection)?.vendor ??
          (row && (await store.connections.get(connection))?.vendor)
        if (!row || !vendor) throw notFound('No order with this id or number was seen on this connection.')
        const events = await store.events.ofOrder(connection, row.orderId)
        return reply({
          order: { connection, vendor, observedAt: timestamp(row.observedAt), ...row.snapshot },
          events: events.map(({ body }) => new RawJson(body)),
        })
      },
    }),
  ]
}
