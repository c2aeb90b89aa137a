import { hash, randomBytes } from 'node:crypto'
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { bearerOf } from '../api/auth/authenticate.ts'
import type { ConsoleParts } from '../api/deps.ts'
import { sameText } from '../lib/same-text.ts'
import type { KeyRole } from '../store/port/keys.ts'
import type { SessionRow } from '../store/port/sessions.ts'

/** Who looks at a page. */
export interface Viewer {
  /** null: a subscriber, who sees its endpoint only. */
  readonly role: KeyRole | null
  /** Of a subscriber's session. */
  readonly endpoint: string | null
  readonly may: readonly string[]
  /** The id in the cookie; '' without one. */
  readonly id: string
  /** There is a session that can be signed out of. */
  readonly signedIn: boolean
}

const IDLE_MS = 12 * 3_600_000
const LONGEST_MS = 7 * 24 * 3_600_000
const SEEN_EVERY_MS = 60_000
const ID_BYTES = 24

export const digestOf = (text: string): string => hash('sha256', text, 'base64url')
export const newSessionId = (): string => randomBytes(ID_BYTES).toString('base64url')

/** What a form carries, so that a page of somebody else cannot send it. Made of the cookie, which no page can read. */
export const formToken = (viewer: Pick<Viewer, 'id'>): string => digestOf(`form\n${viewer.id}`)

export type Sessions = ReturnType<typeof createSessions>

/**
 * Sessions of browsers. The cookie holds a random id, the store its digest and the digest of the key: the role is the key's at each request, so a
 * removed key ends its sessions.
 */
export function createSessions({ store, clock, authentication, publicUrls }: ConsoleParts) {
  const secureHosts = new Set(
    publicUrls.map(url => new URL(url)).flatMap(url => (url.protocol === 'https:' ? url.host : [])),
  )

  /** Behind https the cookie is bound to the host, and not sent in the clear. */
  const isSecure = (c: Context) =>
    secureHosts.has(c.req.header('host') ?? '') || new URL(c.req.url).protocol === 'https:'

  const cookie = (c: Context, name: string) => ({
    name: isSecure(c) ? `__Host-orderwire_${name}` : `orderwire_${name}`,
    options: { path: '/', httpOnly: true, sameSite: 'Strict', secure: isSecure(c) } as const,
  })

  function put(c: Context, name: string, value: string, maxAge: number): void {
    const { name: full, options } = cookie(c, name)
    setCookie(c, full, value, { ...options, maxAge })
  }

  const read = (c: Context, name: string): string | undefined => getCookie(c, cookie(c, name).name)

  function drop(c: Context, name: string): void {
    const { name: full, options } = cookie(c, name)
    deleteCookie(c, full, options)
  }

  async function find(id: string): Promise<SessionRow | null> {
    const now = clock.now()
    const row = await store.sessions.get(digestOf(id))
    if (!row || row.may.includes('link') || row.expiresAt <= now || row.seenAt + IDLE_MS <= now) return null
    if (now - row.seenAt >= SEEN_EVERY_MS) await store.sessions.seen(row.digest, now)
    return row
  }

  /** null: nobody who may look. */
  async function viewerOf(c: Context): Promise<Viewer | null> {
    const id = read(c, 'session') ?? ''
    const row = id === '' ? null : await find(id)
    if (row?.endpoint) return { role: null, endpoint: row.endpoint, may: row.may, id, signedIn: true }
    const role = row?.keyDigest ? await authentication.roleOfDigest(row.keyDigest) : null
    if (role !== null) return { role, endpoint: null, may: [], id, signedIn: true }
    const given = await authentication.roleOf(c, bearerOf(c))
    return given === null ? null : { role: given, endpoint: null, may: [], id, signedIn: false }
  }

  async function begin(c: Context, own: Partial<SessionRow>, lifeMs = LONGEST_MS): Promise<void> {
    const now = clock.now()
    const id = newSessionId()
    await store.sessions.prune(now)
    await store.sessions.insert({
      ...{ digest: digestOf(id), keyDigest: null, endpoint: null, may: [], createdAt: now, seenAt: now },
      ...{ expiresAt: now + Math.min(lifeMs, LONGEST_MS), ...own },
    })
    put(c, 'session', id, Math.round(lifeMs / 1000))
  }

  return {
    viewerOf,
    begin,
    put,
    read,
    drop,

    /** Signs in with a key. False: the key is wrong. */
    async signIn(c: Context, key: string): Promise<boolean> {
      const keyDigest = digestOf(key)
      if ((await authentication.roleOfDigest(keyDigest)) === null) {
        authentication.noteRefusal(c, 'wrong')
        return false
      }
      await begin(c, { keyDigest })
      return true
    },

    /** Opens a subscriber's link: once, and until the link's own end. False: it was opened, it has ended, or there is none. */
    async openLink(c: Context, token: string): Promise<boolean> {
      const now = clock.now()
      const link = await store.sessions.get(digestOf(token))
      if (!link?.endpoint || !link.may.includes('link') || link.expiresAt <= now) return false
      if (!(await store.sessions.remove(link.digest))) return false
      const may = link.may.filter(one => one !== 'link')
      await begin(c, { endpoint: link.endpoint, may }, link.expiresAt - now)
      return true
    },

    async signOut(c: Context, viewer: Viewer): Promise<void> {
      await store.sessions.remove(digestOf(viewer.id))
      drop(c, 'session')
    },

    /** A browser without a session (on loopback, where none is needed) gets an id for its forms. */
    withId(c: Context, viewer: Viewer): Viewer {
      if (viewer.id !== '' || bearerOf(c) !== undefined) return viewer
      const id = newSessionId()
      put(c, 'session', id, LONGEST_MS / 1000)
      return { ...viewer, id }
    },

    /** Whether a request that changes something comes from one of our own pages, by its Origin and the token of its form. */
    isOurForm(c: Context, viewer: Viewer, token: string): boolean {
      return isOwnOrigin(c) && viewer.id !== '' && sameText(token, formToken(viewer))
    },
    isOwnOrigin,
  }

  function isOwnOrigin(c: Context): boolean {
    const origin = c.req.header('origin') ?? ''
    const host = c.req.header('host') ?? new URL(c.req.url).host
    const known = publicUrls.map(url => new URL(url)).filter(url => url.host === host)
    return known.length > 0 ? known.some(url => url.origin === origin) : origin === `http://${host}`
  }
}
