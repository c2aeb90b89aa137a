import { Destination, pageOf } from '../../../schemas/api.ts'
import { Paging } from '../../../schemas/api-requests.ts'
import { timestamp } from '../../lib/clock.ts'
import { LONGEST_REST } from '../../lib/retry-after.ts'
import type { ApiDeps } from '../deps.ts'
import { backlogOf } from '../gauges.ts'
import { reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import type { LatestAttempts } from '../latest-attempts.ts'
import { pageById } from '../paging.ts'
import { type Route, route } from '../route.ts'

export type StandingDeps = Pick<ApiDeps, 'store' | 'clock'> & { known: KnownIds; latest: LatestAttempts }

/** Lists handlers and endpoints with their states. */
export function createStanding({ store, clock, known, latest }: StandingDeps) {
  const time = (at: number | null | undefined) => (at === null || at === undefined ? null : timestamp(at))

  return async (): Promise<Destination[]> => {
    const views = await known.destinations()
    const works = new Set(views.flatMap(({ id, state }) => (state === 'active' || state === 'open' ? [id] : [])))
    const [backlog, letters, expired, fared, nextDue] = await Promise.all([
      store.lanes.backlog(),
      store.deadLetters.counts(),
      store.deadLetters.expired(),
      latest.of(views.map(({ id }) => id)),
      store.lanes.nextDueOfEach([...works]),
    ])
    const now = clock.now()
    return views.map(({ id, kind, state, stateReason = null, restUntil, inMemory }) => {
      const waiting = backlogOf(backlog.get(id), inMemory)
      const oldest = waiting.oldestObservedAt
      const lately = fared.get(id)
      return {
        id,
        kind,
        state,
        stateReason,
        lastError: lately?.lastError ?? null,
        failingSince: time(lately?.failingSince),
        failuresInRow: lately?.failuresInRow ?? 0,
        lastSuccessAt: time(lately?.lastSuccessAt),
        nextAttemptAt: time(nextDue.get(id)),
        restingUntil: works.has(id) ? restOf(restUntil ?? 0, now) : null,
        backlog: waiting.size,
        oldestWaitingSeconds: oldest === null ? null : Math.max(0, now - oldest) / 1000,
        deadLetters: letters.get(id) ?? 0,
        expiredDeadLetters: expired.get(id)?.count ?? 0,
        successRate: lately?.successRate ?? null,
        latencyMs: { p50: lately?.p50 ?? null, p99: lately?.p99 ?? null },
      }
    })
  }
}

/** The end of a rest that is not over. A wrong clock makes none longer than the longest rest. */
const restOf = (until: number, now: number): string | null =>
  until > now ? timestamp(Math.min(until, now + LONGEST_REST)) : null

/** `/v1/destinations` */
export function destinationRoutes(deps: StandingDeps): Route[] {
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
