/** Which handlers a person has paused. It outlives restarts, and counts for all processes. Endpoints say so in their own row. */
export interface PauseStore {
  list(): Promise<ReadonlySet<string>>
  /** Pausing what is paused, and resuming what is not, changes nothing. */
  pause(handler: string, at: number): Promise<void>
  resume(handler: string): Promise<void>
}
