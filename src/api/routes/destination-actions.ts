import { scheduler } from 'node:timers/promises'
import { Destination, DestinationResumed, Queued, ReplayPreview, Retried } from '../../../schemas/api.ts'
import { Replay, ReplayQuery } from '../../../schemas/api-requests.ts'
import { DEFAULT_DELIVERY } from '../../../schemas/config.ts'
import type { DestinationView, DestinationWants } from '../../dispatch/dispatch-control.ts'
import { narrowed, wantedBy } from '../../dispatch/replay-filter.ts'
import { compileFilter } from '../../dispatch/subscription-filter.ts'
import type { EventFilter } from '../../store/port/events.ts'
import type { Paging } from '../../store/port/paging.ts'
import type { ApiDeps } from '../deps.ts'
import { reply } from '../json.ts'
import { type KnownIds, PAUSED } from '../known-ids.ts'
import type { LatestAttempts } from '../latest-attempts.ts'
import { notFound, Refusal } from '../problem.ts'
import { type Route, route } from '../route.ts'
import { createStanding } from './destinations.ts'
import { eventFilter } from './events.ts'
import { createReplays } from './resend.ts'

type Deps = Pick<ApiDeps, 'store' | 'dispatch' | 'clock'> & { known: KnownIds; latest: LatestAttempts }

/** Pause, resume, retry and replay, for handlers and endpoints alike. */
export function destinationActionRoutes(deps: Deps): Route[] {
  const { store, dispatch, clock, known, latest } = deps
  const standing = createStanding(deps)
  const ask = createReplays(deps)

  async function found(id: string): Promise<DestinationView> {
    const destination = (await known.destinations()).find(one => one.id === id)
    if (!destination) throw notFound(`There is no destination "${id.slice(0, 100)}"; GET /v1/destinations lists them.`)
    return destination
  }

  async function shown(id: string): Promise<Destination> {
    const destination = (await standing()).find(one => one.id === id)
    if (!destination) throw notFound(`There is no destination "${id.slice(0, 100)}" any more.`)
    return destination
  }

  async function setState({ id, kind }: DestinationView, state: 'paused' | 'active'): Promise<void> {
    const now = clock.now()
    const stateReason = state === 'paused' ? PAUSED : null
    const rest = state === 'active' ? { restUntil: null } : {}
    if (kind === 'endpoint') await store.endpoints.update(id, { state, stateReason, ...rest, updatedAt: now })
    else if (state === 'paused') await store.pauses.pause(id, now)
    else await store.pauses.resume(id)
    await dispatch?.refresh()
  }

  return [
    route({
      method: 'POST',
      path: '/v1/destinations/{id}/pause',
      access: 'write',
      summary: 'Pause a destination',
      description:
        'A handler or an endpoint. Its events wait, as far back as the history reaches, so it misses nothing.',
      tag: 'destinations',
      answers: { 200: { description: 'The destination', schema: Destination } },
      problems: [404],
      async handle({ params: { id } }) {
        await setState(await found(id), 'paused')
        return reply(await shown(id))
      },
    }),
    route({
      method: 'POST',
      path: '/v1/destinations/{id}/resume',
      access: 'write',
      summary: 'Resume a destination',
      description: 'After a pause, or after it was disabled. Everything that has waited is delivered, in order.',
      tag: 'destinations',
      answers: { 200: { description: 'The destination, and how much has waited', schema: DestinationResumed } },
      problems: [404],
      async handle({ params: { id } }) {
        const destination = await found(id)
        const waiting = (await store.lanes.backlog()).get(id)?.size ?? 0
        await setState(destination, 'active')
        dispatch?.wake()
        return reply({ ...(await shown(id)), waiting })
      },
    }),
    route({
      method: 'POST',
      path: '/v1/destinations/{id}/retry',
      access: 'write',
      summary: 'Retry everything that waits, now',
      description:
        'Events that wait for a later attempt are due now, a rest by Retry-After ends, and an open circuit sends its next probe. Attempts stay counted.',
      tag: 'destinations',
      answers: { 202: { description: 'How many events are due', schema: Retried } },
      problems: [404, 409],
      async handle({ params: { id } }) {
        const { kind, state } = await found(id)
        if (state === 'paused' || state === 'disabled')
          throw new Refusal(409, `"${id}" is ${state}; resume it, and all that waits is delivered.`)
        const waiting = (await store.lanes.backlog()).get(id)?.size ?? 0
        if (kind === 'endpoint') await store.endpoints.update(id, { restUntil: null, updatedAt: clock.now() })
        await store.lanes.makeDue(id, clock.now())
        await dispatch?.refresh()
        dispatch?.wake()
        return reply({ waiting }, 202)
      },
    }),
    route({
      method: 'POST',
      path: '/v1/destinations/{id}/replay',
      access: 'write',
      query: ReplayQuery,
      body: Replay,
      summary: 'Deliver past events again, in order',
      description: 'With `preview=true` nothing is queued: the answer says what would be.',
      tag: 'destinations',
      answers: {
        200: { description: 'What would be queued (`preview=true`)', schema: ReplayPreview },
        202: { description: 'They are queued', schema: Queued },
      },
      problems: [404],
      async handle({ params: { id }, query, body: { since, until, types, order } }) {
        const destination = await found(id)
        const filter = eventFilter({ type: types, order: await known.order(order), since, until })
        if (query.preview === true) return reply(await preview(destination, filter))
        return reply({ queued: await ask(id, filter) }, 202)
      },
    }),
  ]

  async function preview(destination: DestinationView, filter: EventFilter) {
    const wants = destination.wants ?? (await storedWants(destination.id))
    const narrow = narrowed(filter, wants)
    const orders = new Set<string>()
    let [events, alreadyDelivered] = [0, 0]
    const wanted = wantedBy(wants)
    const limit = wanted ? PREVIEW_PAGE : PREVIEW_PLACES
    for (let after: number | undefined; narrow; ) {
      const { page, taken } = await previewPage(narrow, { limit, ...(after !== undefined && { after }) }, wanted)
      events += taken.length
      for (const { orderKey } of taken) orders.add(orderKey)
      alreadyDelivered += await store.deliveries.delivered(
        destination.id,
        taken.map(({ n }) => n),
      )
      after = page.at(-1)?.n
      if (page.length < limit) break
      // SQLite calls never yield.
      await scheduler.yield()
    }
    const { p50 = USUAL_MS } = (await latest.of([destination.id])).get(destination.id) ?? {}
    const perSecond = Math.min(
      wants.perSecond ?? Number.POSITIVE_INFINITY,
      (wants.concurrency * 1000) / Math.max(1, p50),
    )
    return { events, orders: orders.size, alreadyDelivered, estimatedSeconds: Math.ceil(events / perSecond) }
  }

  /** What the events say is read only where the filter of the destination looks at it. */
  async function previewPage(filter: EventFilter, paging: Paging, wanted: ReturnType<typeof wantedBy>) {
    if (!wanted) {
      const page = await store.events.places(filter, paging)
      return { page, taken: page }
    }
    const page = await store.events.list(filter, paging)
    return { page, taken: page.filter(wanted) }
  }

  /** For an endpoint of another process: its row has its subscription. The subscription of a handler is known only to its process. */
  async function storedWants(id: string): Promise<DestinationWants> {
    const row = await store.endpoints.get(id)
    if (!row)
      throw new Refusal(
        503,
        'This process does not deliver; ask the one with the role "dispatch" what a handler wants.',
      )
    const { rateLimit, concurrency } = { ...DEFAULT_DELIVERY, ...row.delivery }
    return {
      types: row.types && new Set(row.types),
      connections: row.connections && new Set(row.connections),
      matches: row.filter && compileFilter(row.filter),
      concurrency: concurrency ?? DEFAULT_DELIVERY.concurrency,
      perSecond: rateLimit?.perSecond ?? null,
    }
  }
}

/** Events, and places of events, that are looked at at a time. */
const [PREVIEW_PAGE, PREVIEW_PLACES] = [250, 2_000]
/** The assumed time of a delivery if there was none yet, milliseconds. */
const USUAL_MS = 50
