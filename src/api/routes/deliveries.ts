import { Delivery, pageOf } from '../../../schemas/api.ts'
import { DeliveryQuery } from '../../../schemas/api-requests.ts'
import { timestamp } from '../../lib/clock.ts'
import type { DeliveryRow, DeliveryStatus } from '../../store/port/deliveries.ts'
import type { Store } from '../../store/store.ts'
import type { ApiDeps } from '../deps.ts'
import { reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import { pageByCursor } from '../paging.ts'
import { notFound } from '../problem.ts'
import { type Route, route } from '../route.ts'

function view(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    destination: row.destination,
    eventId: row.eventId,
    order: row.orderKey.slice(row.orderKey.indexOf('/') + 1),
    status: row.status,
    attempt: row.attempt,
    nextAttemptAt: row.nextAttemptAt === null ? null : timestamp(row.nextAttemptAt),
    attempts: row.attempts.map(({ at, statusCode, ms, error, response, origin }) => ({
      at: timestamp(at),
      statusCode,
      ms,
      error,
      response,
      origin,
    })),
  }
}

/** The deliveries of one event to all destinations. */
export async function allDeliveriesOf({ deliveries }: Pick<Store, 'deliveries'>, eventId: string): Promise<Delivery[]> {
  const all: Delivery[] = []
  let after: string | null = null
  do {
    const page: { data: readonly DeliveryRow[]; next: string | null } = await deliveries.list(
      { eventId },
      { limit: 250, ...(after !== null && { after }) },
    )
    all.push(...page.data.map(view))
    after = page.next
  } while (after !== null)
  return all
}

const ALL: readonly DeliveryStatus[] = ['waiting', 'dead', 'delivered']

/** The statuses that a delivery may have after an attempt with this outcome. */
const OF_OUTCOME: Readonly<Record<'delivered' | 'retry' | 'dead' | 'failed', readonly DeliveryStatus[]>> = {
  delivered: ['delivered'],
  retry: ['waiting'],
  dead: ['dead'],
  failed: ['waiting', 'dead'],
}

/** `/v1/deliveries`: deliveries and their attempts. */
export function deliveryRoutes({ store, known }: Pick<ApiDeps, 'store'> & { known: KnownIds }): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/deliveries',
      access: 'read',
      query: DeliveryQuery,
      summary: 'Deliveries, newest first',
      description:
        'A page looks at some 10,000 rows at most. Where few of them match, it has fewer entries than `limit`, or none, and a `next` that goes on behind them; the list ends where `next` is null.',
      tag: 'deliveries',
      answers: { 200: { description: 'With their attempts', schema: pageOf(Delivery) } },
      async handle({ query: { destination, event, order, status, outcome, type, answer, since, until, ...paging } }) {
        await known.destination(destination, 'destination')
        const orderId = await known.order(order)
        const wanted = outcome === undefined ? ALL : OF_OUTCOME[outcome]
        const filter = {
          statuses: status === undefined ? wanted : wanted.filter(one => one === status),
          ...(orderId !== undefined && { orderId }),
          ...(type && { types: type }),
          ...(answer !== undefined && { answer }),
          ...(since !== undefined && { since }),
          ...(until !== undefined && { until }),
          ...((outcome === 'retry' || outcome === 'failed') && { tried: true }),
          ...(destination !== undefined && { destination }),
          ...(event !== undefined && { eventId: event }),
        }
        const { data, next } = await pageByCursor('deliveries', paging, asked => store.deliveries.list(filter, asked))
        return reply({ data: data.map(view), next })
      },
    }),
    route({
      method: 'GET',
      path: '/v1/deliveries/{id}',
      access: 'read',
      summary: 'One delivery',
      tag: 'deliveries',
      answers: { 200: { description: 'With its attempts', schema: Delivery } },
      problems: [404],
      async handle({ params: { id } }) {
        const colon = id.lastIndexOf(':')
        const row = colon < 0 ? null : await store.deliveries.get(id.slice(0, colon), id.slice(colon + 1))
        if (!row) throw notFound('There is no delivery with this id.')
        return reply(view(row))
      },
    }),
  ]
}
