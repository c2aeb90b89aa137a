/** A browser that signed in with a key, or a subscriber's link or browser. Only digests are kept: whoever reads the store cannot use it. */
export interface SessionRow {
  /** SHA-256 of the id in the cookie or in the link, base64url. */
  readonly digest: string
  /** SHA-256 of the key it was opened with; null: it is a subscriber's. */
  readonly keyDigest: string | null
  /** A subscriber's: the one endpoint it opens. */
  readonly endpoint: string | null
  /** A subscriber's: what it may do besides looking. `link`: it is not opened yet, and is good for one opening. */
  readonly may: readonly string[]
  readonly createdAt: number
  /** To a minute. */
  readonly seenAt: number
  /** The end, however much it is used. */
  readonly expiresAt: number
}

export interface SessionStore {
  insert(session: SessionRow): Promise<void>
  get(digest: string): Promise<SessionRow | null>
  seen(digest: string, at: number): Promise<void>
  /** False: there is none (any more). Of several callers one gets true. */
  remove(digest: string): Promise<boolean>
  /** Removes every link and session of an endpoint. */
  removeOf(endpoint: string): Promise<void>
  /** Removes sessions that ended before `now`. */
  prune(now: number): Promise<void>
}
