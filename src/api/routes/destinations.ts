import { Destination, pageOf } from '../../../schemas/api.ts'
import { Paging } from '../../../schemas/api-requests.ts'
import type { DestinationView } from '../../dispatch/dispatch-control.ts'
import { timestamp } from '../../lib/clock.ts'
import { LONGEST_REST } from '../../lib/retry-after.ts'
import type { DeliveryStats } from '../../store/port/deliveries.ts'
import type { ApiDeps } from '../deps.ts'
import { backlogOf } from '../gauges.ts'
import { reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import { pageById } from '../paging.ts'
import { type Route, route } from '../route.ts'

/** Success rate and latency are those of this many latest attempts. */
const SAMPLE = 200

/** Lists handlers and endpoints with their states. */
export function createStanding({ store, clock, known }: Pick<ApiDeps, 'store' | 'clock'> & { known: KnownIds }) {
  /** From its latest attempts, and the time of the next one. */
  async function detailsOf(id: string, state: DestinationView['state'], stats: DeliveryStats | undefined) {
    const works = state === 'active' || state === 'open'
    const [since, next] = await Promise.all([
      stats?.failing ? store.deliveries.failingSince(id, 0) : null,
      works ? store.lanes.nextDue([id]) : null,
    ])
    const time = (at: number | null | undefined) => (at === null || at === undefined ? null : timestamp(at))
    return {
      lastError: stats?.lastError ?? null,
      failingSince: time(since),
      failuresInRow: stats?.failuresInRow ?? 0,
      lastSuccessAt: time(stats?.lastSuccessAt),
      nextAttemptAt: time(next),
    }
  }

  return async (): Promise<Destination[]> => {
    const [views, backlog, letters, expired, stats] = await Promise.all([
      known.destinations(),
      store.lanes.backlog(),
      store.deadLetters.counts(),
      store.deadLetters.expired(),
      store.deliveries.stats(SAMPLE),
    ])
    const now = clock.now()
    const details = await Promise.all(views.map(({ id, state }) => detailsOf(id, state, stats.get(id))))
    return views.map(({ id, kind, state, stateReason = null, restUntil, inMemory }, index) => {
      const waiting = backlogOf(backlog.get(id), inMemory)
      const oldest = waiting.oldestObservedAt
      const latest = stats.get(id)
      return {
        id,
        kind,
        state,
        stateReason,
        ...(details[index] ?? NO_DETAILS),
        restingUntil: state === 'active' || state === 'open' ? restOf(restUntil ?? 0, now) : null,
        backlog: waiting.size,
        oldestWaitingSeconds: oldest === null ? null : Math.max(0, now - oldest) / 1000,
        deadLetters: letters.get(id) ?? 0,
        expiredDeadLetters: expired.get(id)?.count ?? 0,
        successRate: latest?.successRate ?? null,
        latencyMs: { p50: latest?.p50 ?? null, p99: latest?.p99 ?? null },
      }
    })
  }
}

const NO_DETAILS = { lastError: null, failingSince: null, failuresInRow: 0, lastSuccessAt: null, nextAttemptAt: null }

/** The end of a rest that is not over. A wrong clock makes none longer than the longest rest. */
const restOf = (until: number, now: number): string | null =>
  until > now ? timestamp(Math.min(until, now + LONGEST_REST)) : null

/** `/v1/destinations` */
export function destinationRoutes(deps: Pick<ApiDeps, 'store' | 'clock'> & { known: KnownIds }): Route[] {
  const standing = createStanding(deps)
  return [
    route({
      method: 'GET',
      path: '/v1/destinations',
      access: 'read',
      query: Paging,
      summary: 'Handlers and endpoints',
      tag: 'destinations',
      answers: { 200: { description: 'By id', schema: pageOf(Destination) } },
      handle: async ({ query }) => reply(pageById('destinations', query, await standing())),
    }),
  ]
}
