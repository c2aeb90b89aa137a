/** What connections of one vendor project share between processes: the access token and the pace. */
export interface ProjectStore {
  /** The token, sealed; null: there is none yet. */
  token(project: string): Promise<{ readonly sealed: string; readonly version: number } | null>
  /** Replaces the token of this version (0: none yet) by one of the next version. False: another process was first. */
  putToken(project: string, sealed: string, version: number): Promise<boolean>
  /**
   * Books the project's next request and says in how many milliseconds it may leave: one each `intervalMs`, `burst` of them at once
   * after a pause. By the database's clock where it has one, else `now`.
   */
  book(project: string, pace: { intervalMs: number; burst: number }, now: number): Promise<number>
}
