/** Which handlers a person has paused: kept over restarts, valid for all processes. A paused endpoint has this in its own row. */
export interface PauseStore {
  list(): Promise<ReadonlySet<string>>
  /** Pausing what is paused, and resuming what is not, changes nothing. */
  pause(handler: string, at: number): Promise<void>
  resume(handler: string): Promise<void>
}
