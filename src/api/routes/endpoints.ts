import { customAlphabet } from 'nanoid'
import { Endpoint, EndpointCreated, EndpointShown, pageOf, RotateAnswer, TestAnswer } from '../../../schemas/api.ts'
import { EndpointCreate, EndpointPatch, EndpointTest, Paging } from '../../../schemas/api-requests.ts'
import { retriesOutlast } from '../../../schemas/config.ts'
import { timestamp } from '../../lib/clock.ts'
import type { EndpointRow } from '../../store/port/endpoints.ts'
import { formerSecrets, sealHeaders } from '../../store/sealed.ts'
import type { ApiDeps } from '../deps.ts'
import { endpointView, storedDelivery } from '../endpoint-view.ts'
import { noContent, reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import type { LatestAttempts } from '../latest-attempts.ts'
import { pageById } from '../paging.ts'
import { invalid, notFound, Refusal } from '../problem.ts'
import { type Route, route } from '../route.ts'
import { createStanding } from './destinations.ts'

const newId = customAlphabet('0123456789abcdefghijklmnopqrstuvwxyz', 12)

/** `/v1/endpoints`: webhook endpoints. Actions on any destination are in `destination-actions.ts`. */
export function endpointRoutes(deps: ApiDeps & { known: KnownIds; latest: LatestAttempts }): Route[] {
  const { store, dispatch, clock, secretBox, known, latest } = deps
  const standing = createStanding(deps)

  async function load(id: string): Promise<EndpointRow> {
    const row = await store.endpoints.get(id)
    if (!row) throw notFound(`There is no endpoint "${id.slice(0, 100)}".`)
    return row
  }

  /** 409 for an endpoint that is declared in the configuration. */
  async function loadOwn(id: string): Promise<EndpointRow> {
    const row = await load(id)
    if (row.declared) throw new Refusal(409, `"${id}" is declared in the configuration; change it there.`)
    return row
  }

  async function checkUrl(url: string | undefined): Promise<void> {
    const refused = url === undefined ? null : await deps.checkUrl(url)
    if (refused !== null)
      throw invalid([
        { path: 'url', message: `expected a URL that may be delivered to, found one that may not: ${refused}` },
      ])
  }

  /** Retries must not outlast the history. The global ones, used where these are absent, are checked with the configuration. */
  function checkRetries(delivery: { retries?: readonly number[] | undefined } | null | undefined): void {
    const message = retriesOutlast(delivery?.retries ?? [], deps.config.retention.events)
    if (message !== null) throw invalid([{ path: 'delivery.retries', message: `expected ${message}` }])
  }

  async function change(id: string, patch: Parameters<typeof store.endpoints.update>[1]): Promise<EndpointRow> {
    if (!(await store.endpoints.update(id, { ...patch, updatedAt: clock.now() }))) await load(id)
    await dispatch?.refresh()
    return load(id)
  }

  const view = async (row: EndpointRow): Promise<Endpoint> => endpointView(row, await store.replays.pending())

  return [
    route({
      method: 'GET',
      path: '/v1/endpoints',
      access: 'read',
      query: Paging,
      summary: 'All endpoints',
      tag: 'endpoints',
      answers: { 200: { description: 'By id', schema: pageOf(Endpoint) } },
      async handle({ query }) {
        const [rows, replays] = await Promise.all([store.endpoints.list(), store.replays.pending()])
        const views = rows.map(row => endpointView(row, replays))
        return reply(pageById('endpoints', query, views))
      },
    }),
    route({
      method: 'POST',
      path: '/v1/endpoints',
      access: 'admin',
      body: EndpointCreate,
      summary: 'Add an endpoint',
      description:
        'It receives events from now on. With `replaySince` it first receives past events since then, each order in sequence and without a gap; until all of them are queued, answers contain `replaySince`, and nothing is sent.',
      tag: 'endpoints',
      answers: { 201: { description: 'The endpoint, and its secret this once', schema: EndpointCreated } },
      problems: [409],
      async handle({ body }) {
        checkRetries(body.delivery)
        await Promise.all([checkUrl(body.url), known.connections(body.connections, 'connections')])
        const id = body.id ?? newId()
        const taken = new Refusal(409, `The id "${id}" is taken; ids of endpoints and handlers are unique.`)
        if ((await known.destinations()).some(destination => destination.id === id)) throw taken
        const secret = body.secret ?? deps.newSecret()
        const now = clock.now()
        const { replaySince } = body
        const row: EndpointRow = {
          id,
          url: body.url,
          types: body.types ?? null,
          connections: body.connections ?? null,
          secret: secretBox.seal(secret),
          formerSecrets: [],
          filter: body.filter ?? null,
          headers: sealHeaders(secretBox, body.headers),
          delivery: storedDelivery(body.delivery),
          description: body.description ?? null,
          state: 'active',
          stateReason: null,
          restUntil: null,
          declared: false,
          createdAt: now,
          updatedAt: now,
        }
        const past = { shared: deps.shared, ...(replaySince !== undefined && { replaySince }) }
        if (!(await store.endpoints.insert(row, past))) throw taken
        const created = await view(row)
        await dispatch?.refresh()
        return reply({ ...created, secret }, 201, { location: `/v1/endpoints/${id}` })
      },
    }),
    route({
      method: 'GET',
      path: '/v1/endpoints/{id}',
      access: 'read',
      summary: 'One endpoint',
      tag: 'endpoints',
      answers: { 200: { description: 'Without its secret, and how it is doing', schema: EndpointShown } },
      problems: [404],
      async handle({ params: { id } }) {
        const [shown, all] = await Promise.all([load(id).then(view), standing()])
        const found = all.find(destination => destination.id === id)
        if (!found) throw notFound(`There is no endpoint "${id.slice(0, 100)}".`)
        const { id: _id, kind: _kind, ...health } = found
        return reply({ ...shown, health })
      },
    }),
    route({
      method: 'PATCH',
      path: '/v1/endpoints/{id}',
      access: 'admin',
      body: EndpointPatch,
      summary: 'Change an endpoint',
      tag: 'endpoints',
      answers: { 200: { description: 'The endpoint', schema: Endpoint } },
      problems: [404, 409],
      async handle({ params: { id }, body: { url, types, connections, filter, headers, delivery, description } }) {
        await loadOwn(id)
        checkRetries(delivery)
        await Promise.all([checkUrl(url), known.connections(connections, 'connections')])
        const row = await change(id, {
          // A changed endpoint is expected to work again.
          restUntil: null,
          ...(url !== undefined && { url }),
          ...(types !== undefined && { types }),
          ...(connections !== undefined && { connections }),
          ...(filter !== undefined && { filter }),
          ...(headers !== undefined && { headers: sealHeaders(secretBox, headers) }),
          ...(delivery !== undefined && { delivery: storedDelivery(delivery) }),
          ...(description !== undefined && { description }),
        })
        return reply(await view(row))
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/endpoints/{id}',
      access: 'admin',
      summary: 'Remove an endpoint',
      description: 'What waits for it is dropped.',
      tag: 'endpoints',
      answers: { 204: { description: 'It is gone' } },
      problems: [404, 409],
      async handle({ params: { id } }) {
        await loadOwn(id)
        await store.endpoints.remove(id)
        latest.forget(id)
        // A later endpoint of the same id is somebody else's.
        await store.sessions.removeOf(id)
        await dispatch?.refresh()
        return noContent()
      },
    }),
    route({
      method: 'POST',
      path: '/v1/endpoints/{id}/test',
      access: 'write',
      body: EndpointTest,
      summary: 'Send a test event',
      description:
        'Type `orderwire.test`, or a sample of the `type` given: an invented order of the connection `sample`. It is not in the history.',
      tag: 'endpoints',
      answers: { 200: { description: 'What came back', schema: TestAnswer } },
      problems: [404, 503],
      async handle({ params: { id }, body: { type } }) {
        const row = await load(id)
        if (!dispatch) throw new Refusal(503, 'This process does not deliver; ask the one with the role "dispatch".')
        const { statusCode, ms, error, response = null, request = null } = await dispatch.test(row, type)
        return reply({ statusCode, ms, error, response, request })
      },
    }),
    route({
      method: 'POST',
      path: '/v1/endpoints/{id}/rotate-secret',
      access: 'admin',
      summary: 'Make a new secret',
      description: 'For 24 hours deliveries are signed with the former secrets too.',
      tag: 'endpoints',
      answers: { 200: { description: 'The new secret, this once', schema: RotateAnswer } },
      problems: [404, 409],
      async handle({ params: { id } }) {
        const secret = deps.newSecret()
        const sealed = secretBox.seal(secret)
        for (;;) {
          const row = await loadOwn(id)
          const former = formerSecrets(secretBox, row, clock.now())
          const patch = { secret: sealed, formerSecrets: former, updatedAt: clock.now() }
          // If two rotate at the same time, the second retries with the secret of the first as a former one.
          if (!(await store.endpoints.update(id, patch, { secret: row.secret }))) continue
          await dispatch?.refresh()
          const [newest] = former
          return reply({ secret, previousValidUntil: newest?.secret === row.secret ? timestamp(newest.until) : null })
        }
      },
    }),
  ]
}
