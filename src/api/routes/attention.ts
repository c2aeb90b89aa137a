import { Attention, pageOf } from '../../../schemas/api.ts'
import { attention } from '../../attention/attention.ts'
import { DEAD_LETTERS_MS, type Attention as Found, type Situation } from '../../attention/situation.ts'
import { timestamp } from '../../lib/clock.ts'
import type { ApiDeps } from '../deps.ts'
import { reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import type { LatestAttempts } from '../latest-attempts.ts'
import { type Route, route } from '../route.ts'
import type { ListConnections } from './connections.ts'
import { createStanding } from './destinations.ts'
import { createChecks, PARTS } from './health.ts'

/** Groups of dead letters that are looked at. */
const MOST_GROUPS = 50

type Deps = ApiDeps & {
  known: KnownIds
  latest: LatestAttempts
  connections: ListConnections
  /** Absent: asked for anew each time. */
  standing?: ReturnType<typeof createStanding>
}

/** What needs attention now, for the route and the console. */
export function createAttention(deps: Deps): () => Promise<readonly Found[]> {
  const { store, eventLog, clock, known, connections, standing = createStanding(deps) } = deps
  const check = createChecks(deps)

  async function stored(now: number) {
    const [unpublished, deadLetters, expired, quarantine, ...rest] = await Promise.all([
      store.verify.unpublished(),
      store.deadLetters.groups(now - DEAD_LETTERS_MS, MOST_GROUPS),
      store.deadLetters.expired(),
      store.quarantine.summary(),
      connections(),
      standing(),
      known.destinations(),
    ])
    const [listed, destinations, there] = rest
    const ids = new Set(there.map(({ id }) => id))
    return {
      unpublished,
      quarantine,
      connections: listed,
      destinations,
      // A removed destination needs no attention.
      deadLetters: deadLetters.filter(({ destination }) => ids.has(destination)),
      expired: new Map([...expired].filter(([destination]) => ids.has(destination))),
    }
  }

  return async () => {
    const now = clock.now()
    const checks = await check()
    const failing = PARTS.flatMap(({ part, check }) => {
      const { state, detail } = checks[check]
      return state === 'failing' ? [{ part, sentence: detail }] : []
    })
    const process = { now, failing, notice: eventLog.notice(), standby: deps.standby?.() ?? false }
    // Without the store, only the state of this process is known.
    const situation: Situation = { ...process, ...(checks.store.state === 'failing' ? NOTHING : await stored(now)) }
    return attention(situation)
  }
}

const NOTHING = {
  unpublished: [],
  deadLetters: [],
  expired: new Map(),
  quarantine: [],
  connections: [],
  destinations: [],
} as const

/** `/v1/attention` */
export function attentionRoutes(deps: Deps): Route[] {
  const look = createAttention(deps)
  return [
    route({
      method: 'GET',
      path: '/v1/attention',
      access: 'read',
      summary: 'What needs attention now, worst first',
      description:
        'Connections, destinations, dead letters of the last 24 hours by destination and error, quarantine, the store and the event log. Always complete: `next` is null.',
      tag: 'health',
      answers: { 200: { description: 'Worst first', schema: pageOf(Attention) } },
      async handle() {
        const found = await look()
        const data = found.map(one => ({ ...one, since: one.since === null ? null : timestamp(one.since) }))
        return reply({ data, next: null })
      },
    }),
  ]
}
