/** A poll wanted by a process that does not work the connection; the one that does runs it and writes the answer. */
export interface PollRequest {
  readonly id: string
  readonly connection: string
  /** Which poll, and later what came of it: JSON that only the two ends read (`poll-request.ts`). */
  readonly request: string
  readonly askedAt: number
  /** null: nobody has taken it up yet. */
  readonly takenAt: number | null
  /** null: not answered yet. */
  readonly answer: string | null
}

export interface PollRequestStore {
  /** Also forgets requests older than `forgetBefore`, whose askers have died. */
  put(request: Pick<PollRequest, 'id' | 'connection' | 'request' | 'askedAt'>, forgetBefore: number): Promise<void>
  get(id: string): Promise<PollRequest | null>
  /** Takes up what waits for these connections, oldest first; each request is given to one caller only. Cheap when nothing waits. */
  take(connections: readonly string[], now: number): Promise<readonly PollRequest[]>
  answer(id: string, answer: string): Promise<void>
  /** `untaken`: only if nobody has taken it up. False: there is none such. */
  remove(id: string, options?: { untaken?: boolean }): Promise<boolean>
}
