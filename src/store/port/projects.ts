/** What connections of one vendor project share between processes: the access token and the pace. */
export interface ProjectStore {
  /** The token, sealed; null: there is none yet. */
  token(project: string): Promise<{ readonly sealed: string; readonly version: number } | null>
  /** Replaces the token of this version (0: none yet) by one of the next version. False: another process was first. */
  putToken(project: string, sealed: string, version: number): Promise<boolean>
  /**
   * Books the project's next request and returns in how many milliseconds it may be sent: one each `intervalMs`, `burst` at once after a
   * pause. Uses the database's clock if it has one, else `now`.
   */
  book(project: string, pace: { intervalMs: number; burst: number }, now: number): Promise<number>
}
