import { hash } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import type { Clock } from '../../lib/clock.ts'
import { sameText } from '../../lib/same-text.ts'
import type { KeyRole } from '../../store/port/keys.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { problem } from '../problem.ts'
import type { Route } from '../route.ts'
import type { Keyring } from './keyring.ts'

/** Authenticates requests by their key, and authorises them by its role. */

/** Whether a role may call what asks for this access. What names no role is for administrators. */
export const mayCall = (role: KeyRole | null, access: Route['access']): boolean =>
  (access === 'open' ? 0 : (RANKS[access] ?? RANKS.admin)) <= (role === null ? 0 : RANKS[role])

const RANKS: Readonly<Record<KeyRole, number>> = { read: 1, write: 2, admin: 3 }
const QUIET_MS = 60_000
const MOST_ADDRESSES = 1_000
const ROLE = 'role'

interface Options {
  readonly apiKey: string | null
  readonly localKey: string | null
  readonly keyring: Keyring
  /** Every caller is an administrator: a command calls the API in its own process. */
  readonly trusted: boolean
  readonly metrics: Pick<Metrics, 'authFailures'>
  readonly clock: Clock
  readonly log: Log
  loopback(c: Context): boolean
}

export function createAuthentication(options: Options) {
  const { apiKey, localKey, keyring, trusted, loopback } = options
  const noteRefusal = createRefusalLog(options)
  const ours = [apiKey, localKey].filter(key => key !== null)

  /** The role of the caller; null: a key is needed. */
  async function roleOf(c: Context, given: string | undefined): Promise<KeyRole | null> {
    if (trusted) return 'admin'
    // Compare with every key, so the time does not reveal which one matched.
    if (given !== undefined && ours.filter(key => sameText(given, key)).length > 0) return 'admin'
    const role = given === undefined ? null : await keyring.roleOf(hash('sha256', given, 'base64url'))
    if (role !== null) return role
    return apiKey === null && loopback(c) && (await keyring.isEmpty()) ? 'admin' : null
  }

  /** Passes callers with a valid key; if no key is set, clients of this machine. */
  const authenticate: MiddlewareHandler = async (c, next) => {
    const given = bearerOf(c)
    const role = await roleOf(c, given)
    if (role !== null) {
      c.set(ROLE, role)
      return next()
    }
    noteRefusal(c, given === undefined ? 'missing' : 'wrong')
    return problem(
      401,
      apiKey === null && (await keyring.isEmpty())
        ? 'Without ORDERWIRE_API_KEY only clients on this machine are answered, and none that come through a proxy.'
        : 'Send the key as "Authorization: Bearer KEY".',
      { headers: { 'www-authenticate': given === undefined ? 'Bearer' : 'Bearer error="invalid_token"' } },
    )
  }

  /** Passes callers of the role that the route asks for. A route without a known role is for administrators. */
  const authorise = ({ access, run }: Route): ((c: Context) => Promise<Response>) => {
    return async c => {
      const role: KeyRole | undefined = c.get(ROLE)
      if (mayCall(role ?? null, access)) return run(c)
      noteRefusal(c, 'role')
      return problem(403, `This needs a key of the role "${access}"; the one sent has "${role}".`, {
        kind: 'role',
        headers: { 'www-authenticate': 'Bearer error="insufficient_scope"' },
      })
    }
  }

  /** The role of a key that is known by its digest only; null: it is none (any more). */
  async function roleOfDigest(digest: string): Promise<KeyRole | null> {
    const mine = ours.filter(key => sameText(hash('sha256', key, 'base64url'), digest))
    return mine.length > 0 ? 'admin' : keyring.roleOf(digest)
  }

  return { authenticate, authorise, roleOf, roleOfDigest, noteRefusal }
}

export type Authentication = ReturnType<typeof createAuthentication>

/** The key that a request carries. */
export const bearerOf = (c: Context): string | undefined =>
  /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '')?.[1]

/** Counts every refusal, and logs one a minute for each address. The key that was sent is never logged. */
function createRefusalLog({ metrics, clock, log }: Pick<Options, 'metrics' | 'clock' | 'log'>) {
  const quietUntil = new Map<string, number>()

  return (c: Context, reason: 'missing' | 'wrong' | 'role'): void => {
    metrics.authFailures.inc({ reason })
    const socket: unknown = c.env?.incoming?.socket?.remoteAddress
    const address = typeof socket === 'string' ? socket : 'unknown'
    const now = clock.monotonic()
    // Ordered by their end, so stop at the first that is not over.
    for (const [logged, until] of quietUntil) {
      if (until > now) break
      quietUntil.delete(logged)
    }
    // A caller with many addresses must not fill the log.
    if (quietUntil.has(address) || quietUntil.size >= MOST_ADDRESSES) return
    quietUntil.set(address, now + QUIET_MS)
    log.warn({ address, reason }, 'a request was refused for its key; said once a minute for each address')
  }
}
