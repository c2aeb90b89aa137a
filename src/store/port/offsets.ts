/** Where each group of the embedded log is. */
export interface OffsetStore {
  get(group: string, partition: number): Promise<number | null>
  /**
   * Takes the group over and returns its position. `epoch`: of the lease under which it is read. From now on `set` ignores earlier
   * epochs: a former reader that was suspended may not know all destinations, so it must not commit for them.
   */
  claim(group: string, partition: number, epoch: number): Promise<number>
  /**
   * If the position is beyond the last `n` ever given (the history was restored, the offset was not), sets it to the beginning and
   * returns what it was. null: it is not beyond.
   */
  rewind(group: string, partition: number): Promise<number | null>
  /** Moves the position forward, never back. `ahead`: what is acknowledged beyond it, as `event-log/ahead.ts` writes it. */
  set(group: string, partition: number, position: number, epoch?: number, ahead?: string): Promise<void>
  /** What was acknowledged beyond the position at its last write. null: nothing is known. */
  ahead(group: string, partition: number): Promise<string | null>
}
