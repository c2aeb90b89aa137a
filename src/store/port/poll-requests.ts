/** A poll requested by a process without the lease of the connection. The holder of the lease runs it and writes the answer. */
export interface PollRequest {
  readonly id: string
  readonly connection: string
  /** JSON, as the answer; only `ingest/poll-request.ts` reads them. */
  readonly request: string
  readonly askedAt: number
  /** null: not answered yet. */
  readonly answer: string | null
}

export interface PollRequestStore {
  /** Also deletes requests older than `forgetBefore`, whose processes have died. */
  put(request: Pick<PollRequest, 'id' | 'connection' | 'request' | 'askedAt'>, forgetBefore: number): Promise<void>
  get(id: string): Promise<PollRequest | null>
  /** Takes the requests that wait for these connections, oldest first. Each request is given to one caller only. Cheap when nothing waits. */
  take(connections: readonly string[], now: number): Promise<readonly PollRequest[]>
  answer(id: string, answer: string): Promise<void>
  /** `untaken`: only if no process has taken it up. False: there is none such. */
  remove(id: string, options?: { untaken?: boolean }): Promise<boolean>
}
