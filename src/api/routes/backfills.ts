import { nanoid } from 'nanoid'
import { Backfill as BackfillAnswer, pageOf } from '../../../schemas/api.ts'
import { BackfillBody, BackfillQuery } from '../../../schemas/api-requests.ts'
import { timestamp } from '../../lib/clock.ts'
import type { Backfill, Progress } from '../../store/port/passes.ts'
import { configuredConnection, listsAllOrders } from '../connection-states.ts'
import type { ApiDeps } from '../deps.ts'
import { reply } from '../json.ts'
import { invalid, notFound, Refusal } from '../problem.ts'
import { type Route, route } from '../route.ts'

/** Finished backfills are listed for this long. */
const KEPT_MS = 7 * 86_400_000

/** `/v1/connections/{id}/backfill`: reads a span of a connection again on request. */
export function backfillRoutes({ config, sources, store, ingest, clock }: ApiDeps): Route[] {
  const configured = (id: string) => configuredConnection({ config }, id)

  function view(row: Backfill): BackfillAnswer {
    const { id, connection, since, until, askedAt, endedAt, error, progress } = row
    const ended = endedAt !== null
    const share = ended ? 1 : shareOf(progress)
    return {
      id,
      connection,
      since: timestamp(since),
      until: until === null ? null : timestamp(until),
      state: ended
        ? error === null
          ? 'done'
          : 'failed'
        : error !== null
          ? 'failing'
          : progress
            ? 'running'
            : 'waiting',
      askedAt: timestamp(askedAt),
      endedAt: endedAt === null ? null : timestamp(endedAt),
      pages: progress?.pages ?? 0,
      orders: progress?.orders ?? 0,
      events: progress?.events ?? 0,
      progress: Math.round(share * 1000) / 1000,
      secondsLeft: ended ? 0 : secondsLeft(progress, share, clock.now()),
      error,
    }
  }

  return [
    route({
      method: 'POST',
      path: '/v1/connections/{id}/backfill',
      access: 'write',
      body: BackfillBody,
      summary: 'Read a span again',
      description:
        'Orders created or updated within it are read again at low priority, beside the polls; events that are missing are published. It survives restarts.',
      tag: 'connections',
      answers: { 202: { description: 'It will be read; its `id` shows the progress', schema: BackfillAnswer } },
      problems: [404, 409],
      async handle({ params, body }) {
        const { id: connection, enabled } = configured(params.id)
        if (!enabled) throw new Refusal(409, `The connection "${connection}" is not enabled in the configuration.`)
        if (!listsAllOrders({ sources }, connection))
          throw new Refusal(
            409,
            'This vendor lists no orders by time. Every followed order and user is read again by itself, at least once a day; poll the connection to read all of them now.',
          )
        const now = clock.now()
        if (body.until !== undefined && body.until <= body.since)
          throw invalid([{ path: 'until', message: 'expected a time after since, found an earlier one' }])
        if (body.since > now) throw invalid([{ path: 'since', message: 'expected a time in the past' }])
        const asked = { id: nanoid(12), connection, since: body.since, until: body.until ?? null, askedAt: now }
        await store.backfills.add(asked, now - KEPT_MS)
        ingest?.backfill(connection)
        return reply(view({ ...asked, progress: null, endedAt: null, error: null }), 202)
      },
    }),
    route({
      method: 'GET',
      path: '/v1/connections/{id}/backfill',
      access: 'read',
      query: BackfillQuery,
      summary: 'Backfills of a connection',
      description: 'Latest first; those that have ended are kept for a week.',
      tag: 'connections',
      answers: { 200: { description: 'With their progress', schema: pageOf(BackfillAnswer) } },
      problems: [404],
      async handle({ params, query }) {
        const { id } = configured(params.id)
        return reply({ data: (await store.backfills.list(id, query.limit)).map(view), next: null })
      },
    }),
    route({
      method: 'GET',
      path: '/v1/connections/{id}/backfill/{backfill}',
      access: 'read',
      summary: 'One backfill',
      tag: 'connections',
      answers: { 200: { description: 'With its progress', schema: BackfillAnswer } },
      problems: [404],
      async handle({ params }) {
        const { id } = configured(params.id)
        const row = await store.backfills.get(params.backfill)
        if (row?.connection !== id) throw notFound('There is no backfill with this id.')
        return reply(view(row))
      },
    }),
  ]
}

/** The share of the span that is read, 0 to 1. */
function shareOf(progress: Progress | null): number {
  if (!progress || progress.wholeMs === 0) return 0
  const left = progress.spans.reduce((sum, { from, to }) => sum + (to - from), 0)
  return Math.max(0, 1 - left / progress.wholeMs)
}

function secondsLeft(progress: Progress | null, share: number, now: number): number | null {
  if (!progress || share === 0) return null
  return Math.round((((now - progress.beganAt) / share) * (1 - share)) / 1000)
}
