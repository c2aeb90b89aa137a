import { Connection, PollAnswer, pageOf } from '../../../schemas/api.ts'
import { FollowOrder, Paging, PollQuery } from '../../../schemas/api-requests.ts'
import { throughStore } from '../../ingest/poll-request.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { configuredConnection, createConnectionStates, listsAllOrders } from '../connection-states.ts'
import type { ApiDeps } from '../deps.ts'
import { noContent, RawJson, reply } from '../json.ts'
import { pageById } from '../paging.ts'
import { invalid, Refusal } from '../problem.ts'
import { type Route, route } from '../route.ts'

/** All connections of the configuration, each with its state. */
export type ListConnections = () => Promise<readonly Connection[]>

/** `/v1/connections`: their states, polls on request, and orders and users to follow. */
export function createConnections({
  config,
  sources,
  store,
  ingest,
  clock,
}: Pick<ApiDeps, 'config' | 'sources' | 'store' | 'ingest' | 'clock'>): { list: ListConnections; routes: Route[] } {
  const states = createConnectionStates({ config, sources, store, ingest, clock })

  /** If another process polls, it is asked through the store. */
  const { poll } = ingest ?? throughStore({ requests: store.pollRequests, clock })

  const configured = (id: string) => configuredConnection({ config }, id)
  const listsAll = (id: string): boolean => listsAllOrders({ sources }, id)

  /** The buyer of an order that was read before; some vendors ask for it. `path`: the member or parameter that could have named it. */
  async function buyerOf(id: string, orderId: string, path: 'user' | 'userId'): Promise<string> {
    const userId = (await store.orders.get(id, orderId))?.userId ?? null
    if (userId !== null) return userId
    const how = path === 'user' ? ' (on the command line: --user ID)' : ''
    const message = `expected the id of the buyer${how}, without which this vendor shows no order that was not read before, found nothing`
    throw invalid([{ path, message }])
  }

  const routes = [
    route({
      method: 'GET',
      path: '/v1/connections',
      access: 'read',
      query: Paging,
      summary: 'All connections',
      tag: 'connections',
      answers: { 200: { description: 'By id', schema: pageOf(Connection) } },
      handle: async ({ query }) => reply(pageById('connections', query, await states.list())),
    }),
    route({
      method: 'GET',
      path: '/v1/connections/{id}',
      access: 'read',
      summary: 'One connection',
      tag: 'connections',
      answers: { 200: { description: 'How it is doing', schema: Connection } },
      problems: [404],
      async handle({ params }) {
        const connection = configured(params.id)
        return reply(await states.one(connection))
      },
    }),
    route({
      method: 'POST',
      path: '/v1/connections/{id}/poll',
      access: 'write',
      query: PollQuery,
      summary: 'Poll now',
      description:
        'Independent of the schedule; a stopped connection is polled too. If another process polls the connection, it is asked to.',
      tag: 'connections',
      answers: { 200: { description: 'What was found', schema: PollAnswer } },
      problems: [404, 409, 502, 503],
      async handle({ c, params, query }) {
        const { id, enabled } = configured(params.id)
        if (!enabled) throw notEnabled(id)
        if (query.user !== undefined && query.order === undefined)
          throw invalid([{ path: 'user', message: 'expected only together with order, found without it' }])
        if (sources.get(id)?.asksForBuyer && query.order !== undefined && query.user === undefined)
          await buyerOf(id, query.order, 'user')
        try {
          const { orders, events, quarantined } = await poll(id, {
            signal: c.req.raw.signal,
            ...(query.order !== undefined && { orderId: query.order }),
            ...(query.user !== undefined && { userId: query.user }),
            ...(query.dryRun !== undefined && { dryRun: query.dryRun }),
          })
          states.countAgain()
          const data = events.map(({ body }) => new RawJson(body))
          return reply({ orders, events: events.length, quarantined, data })
        } catch (error) {
          throw pollFailed(error)
        }
      },
    }),
    route({
      method: 'PUT',
      path: '/v1/connections/{id}/orders/{orderId}',
      access: 'write',
      body: FollowOrder,
      summary: 'Follow an order',
      description:
        "For vendors without a shop-wide list; the buyer's id is needed unless the order was read before. A connection that lists all its orders answers 409: it finds every order by itself.",
      tag: 'connections',
      answers: { 204: { description: 'It is followed' } },
      problems: [404, 409],
      async handle({ params: { id, orderId }, body }) {
        configured(id)
        if (listsAll(id))
          throw findsAll(
            id,
            `to read this order now, POST /v1/connections/${id}/poll?order=${encodeURIComponent(orderId)}`,
          )
        const userId = body.userId ?? (await buyerOf(id, orderId, 'userId'))
        await store.follows.put(id, 'order', orderId, userId, clock.now())
        ingest?.wake(id)
        return noContent()
      },
    }),
    route({
      method: 'PUT',
      path: '/v1/connections/{id}/users/{userId}',
      access: 'write',
      summary: 'Follow all orders of a user',
      description:
        'For vendors without a shop-wide list. A connection that lists all its orders answers 409: it finds those of every user by itself.',
      tag: 'connections',
      answers: { 204: { description: 'They are followed' } },
      problems: [404, 409],
      async handle({ params: { id, userId } }) {
        configured(id)
        if (listsAll(id)) throw findsAll(id, 'there is nothing to register')
        await store.follows.put(id, 'user', userId, userId, clock.now())
        ingest?.wake(id)
        return noContent()
      },
    }),
  ]
  return { list: states.list, routes }
}

/** 502 for an error of the vendor; errors of our own stay as they are. */
function pollFailed(error: unknown): unknown {
  if (!(error instanceof AppError) || error instanceof Refusal) return error
  if (/^(store|ingest)\./.test(error.code) || error.intent === 'fix') return error
  const headers = error.retryAfterMs === undefined ? {} : { 'retry-after': `${Math.ceil(error.retryAfterMs / 1000)}` }
  return new Refusal(502, messageOf(error), { headers })
}

const findsAll = (id: string, instead: string): Refusal =>
  new Refusal(
    409,
    `The connection "${id}" finds all its orders by itself, those of every user, so nothing can be followed there; ${instead}.`,
  )

const notEnabled = (id: string): Refusal =>
  new Refusal(409, `The connection "${id}" is not enabled in the configuration.`)
