import { hash, randomBytes } from 'node:crypto'
import { LinkAnswer } from '../../../schemas/api.ts'
import { EndpointLink } from '../../../schemas/api-requests.ts'
import { timestamp } from '../../lib/clock.ts'
import type { ApiDeps } from '../deps.ts'
import { reply } from '../json.ts'
import { invalid, notFound } from '../problem.ts'
import { type Route, route } from '../route.ts'

const USUAL_MS = 24 * 3_600_000
const LONGEST_MS = 30 * 24 * 3_600_000
const TOKEN_BYTES = 24

/** `/v1/endpoints/{id}/link`: a subscriber's way to its own endpoint. The token is kept as a digest, and is good once. */
export function endpointLinkRoutes({
  store,
  clock,
  publicUrls,
}: Pick<ApiDeps, 'store' | 'clock' | 'publicUrls'>): Route[] {
  return [
    route({
      method: 'POST',
      path: '/v1/endpoints/{id}/link',
      access: 'admin',
      body: EndpointLink,
      summary: 'Make a link for the subscriber of an endpoint',
      description:
        'Whoever opens it sees this endpoint and nothing else: its deliveries, their payloads and answers, and the catalogue. `may` allows more. Removing the endpoint ends all its links and sessions.',
      tag: 'endpoints',
      answers: { 201: { description: 'The link, this once', schema: LinkAnswer } },
      problems: [404],
      async handle({ c, params: { id }, body: { ttl = USUAL_MS, may = [] } }) {
        if (!(await store.endpoints.get(id))) throw notFound(`There is no endpoint "${id.slice(0, 100)}".`)
        if (ttl > LONGEST_MS) throw invalid([{ path: 'ttl', message: 'expected at most 30d, found more' }])
        const token = randomBytes(TOKEN_BYTES).toString('base64url')
        const now = clock.now()
        await store.sessions.prune(now)
        await store.sessions.insert({
          ...{
            digest: hash('sha256', token, 'base64url'),
            keyDigest: null,
            endpoint: id,
            may: ['link', ...new Set(may)],
          },
          ...{ createdAt: now, seenAt: now, expiresAt: now + ttl },
        })
        const [base = new URL(c.req.url).origin] = publicUrls
        return reply({ url: `${new URL(base).origin}/portal/open?link=${token}`, expiresAt: timestamp(now + ttl) }, 201)
      },
    }),
  ]
}
