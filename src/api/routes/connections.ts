import { Connection, PollAnswer, pageOf } from '../../../schemas/api.ts'
import { FollowOrder, Paging, PollQuery } from '../../../schemas/api-requests.ts'
import type { Config } from '../../../schemas/config.ts'
import type { IngestControl } from '../../ingest/ingest-control.ts'
import { askPoll } from '../../ingest/poll-request.ts'
import { clockWords, lagMs } from '../../ingest/vendor-clock.ts'
import { isSilent } from '../../ingest/webhook-watch.ts'
import { timestamp } from '../../lib/clock.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { ConnectionRow } from '../../store/port/connections.ts'
import type { Reconciliation } from '../../store/port/passes.ts'
import type { ApiDeps } from '../deps.ts'
import { noContent, RawJson, reply } from '../json.ts'
import { pageById } from '../paging.ts'
import { invalid, notFound, Refusal } from '../problem.ts'
import { type Route, route } from '../route.ts'

type Configured = Config['connections'][number]
type Counts = ReadonlyMap<string, { orders: number; quarantined: number }>

/** Counting is repeated after this many times as long as it took, and not within a second. */
const COUNT_REST = 10

/** All connections of the configuration, and how each is doing. */
export type ListConnections = () => Promise<readonly Connection[]>

/** `/v1/connections`: how each is doing, a poll by hand, orders and users to follow. */
export function createConnections({
  config,
  sources,
  store,
  ingest,
  clock,
}: Pick<ApiDeps, 'config' | 'sources' | 'store' | 'ingest' | 'clock'>): { list: ListConnections; routes: Route[] } {
  let counted: { until: number; counts: Promise<Counts> } | null = null

  function counts(): Promise<Counts> {
    const began = clock.monotonic()
    if (counted !== null && began < counted.until) return counted.counts
    const entry = { until: Number.POSITIVE_INFINITY, counts: store.connections.counts() }
    counted = entry
    const rest = () => {
      const ended = clock.monotonic()
      entry.until = ended + Math.max(1000, COUNT_REST * (ended - began))
    }
    entry.counts.then(rest, () => {
      if (counted === entry) counted = null
    })
    return entry.counts
  }

  /** Where another process polls, it is asked through the store. */
  const poll: IngestControl['poll'] =
    ingest?.poll ?? ((id, options) => askPoll({ requests: store.pollRequests, clock }, id, options))

  function configured(id: string): Configured {
    const connection = config.connections.find(connection => connection.id === id)
    if (!connection) throw notFound(`There is no connection "${id.slice(0, 100)}" in the configuration.`)
    return connection
  }

  /** False: only known orders and the orders of known users can be asked for. */
  const listsAll = (id: string): boolean => sources.get(id)?.feed.kind !== 'follow'

  /** The buyer of an order that was read before; some vendors show it only together with them. `path`: where else it could be said. */
  async function buyerOf(id: string, orderId: string, path: 'user' | 'userId'): Promise<string> {
    const userId = (await store.orders.get(id, orderId))?.userId ?? null
    if (userId !== null) return userId
    const how = path === 'user' ? ' (on the command line: --user ID)' : ''
    const message = `expected the id of the buyer${how}, without which this vendor shows no order that was not read before, found nothing`
    throw invalid([{ path, message }])
  }

  function view(
    connection: Configured,
    row: ConnectionRow | null,
    counts: Counts,
    reconciliation: Reconciliation | null,
  ): Connection {
    const { id, vendor, enabled } = connection
    const time = (at: number | null | undefined) => (at === null || at === undefined ? null : timestamp(at))
    const count = counts.get(id)
    // A trouble of the store itself cannot be stored.
    const trouble = ingest?.troubles?.().get(id) ?? null
    const hidden = trouble !== null && (row === null || row.state === 'ok' || row.state === 'behind') && !row?.lastError
    const lag = row && lagMs(row, clock.now())
    const aheadMs = row?.clockAheadMs ?? null
    return {
      id,
      vendor,
      enabled,
      state: !enabled ? 'stopped' : hidden ? 'failing' : (row?.state ?? 'behind'),
      cursor: time(row?.cursor),
      lagSeconds: lag === null ? null : lag / 1000,
      lastSuccessAt: time(row?.lastSuccessAt),
      clock: aheadMs === null ? null : { aheadSeconds: aheadMs / 1000, warning: clockWords(aheadMs) },
      nextPollAt: enabled ? time(row?.nextPollAt) : null,
      lastError: enabled ? (row?.lastError ?? trouble) : 'The connection is not enabled in the configuration.',
      ordersTracked: count?.orders ?? 0,
      quarantined: count?.quarantined ?? 0,
      webhooks: sources.get(id)?.webhook
        ? { lastReceivedAt: time(row?.webhookAt), silent: row !== null && isSilent(row, clock.now()) }
        : null,
      reconcile:
        connection.reconcile === false || !listsAll(id)
          ? null
          : {
              lastAt: time(reconciliation?.last?.at),
              nextAt: enabled && !reconciliation?.running ? time(reconciliation?.nextAt) : null,
              orders: reconciliation?.last?.orders ?? 0,
              events: reconciliation?.last?.events ?? 0,
              lastError: enabled ? (reconciliation?.error ?? null) : null,
            },
    }
  }

  async function list(): Promise<readonly Connection[]> {
    const [rows, numbers, reconciliations] = await Promise.all([
      store.connections.list(),
      counts(),
      store.reconciliations.list(),
    ])
    const byId = new Map(rows.map(row => [row.id, row]))
    const reconciled = new Map(reconciliations.map(row => [row.connection, row]))
    return config.connections.map(connection => {
      const { id } = connection
      return view(connection, byId.get(id) ?? null, numbers, reconciled.get(id) ?? null)
    })
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
      handle: async ({ query }) => reply(pageById('connections', query, await list())),
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
        const [row, numbers, reconciliation] = await Promise.all([
          store.connections.get(connection.id),
          counts(),
          store.reconciliations.get(connection.id),
        ])
        return reply(view(connection, row, numbers, reconciliation))
      },
    }),
    route({
      method: 'POST',
      path: '/v1/connections/{id}/poll',
      access: 'write',
      query: PollQuery,
      summary: 'Poll now',
      description:
        'Whatever the schedule says; takes a stopped connection up again. Where another process works the connection, that one is asked.',
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
          counted = null
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
  return { list, routes }
}

/** A poll that failed is the vendor's answer, unless the trouble is here. */
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
