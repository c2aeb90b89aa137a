/** How far the groups of the embedded log are. */
export interface OffsetStore {
  get(group: string, partition: number): Promise<number | null>
  /**
   * Takes over where the group is, and says where. `epoch`: of the lease under which it is read. From now on a `set` of an earlier epoch
   * is nothing: a reader that was held up, and does not know yet that another reads in its place, may not know all destinations
   * either, and must not speak for them.
   */
  claim(group: string, partition: number, epoch: number): Promise<number>
  /**
   * Where the position is beyond the last number that an event of the store was ever given (the history was restored, the offset was
   * not): sets it to the beginning, and says what it was. null: it is not.
   */
  rewind(group: string, partition: number): Promise<number | null>
  /** Never back. `ahead`: what is done beyond it, as `event-log/ahead.ts` writes it. */
  set(group: string, partition: number, position: number, epoch?: number, ahead?: string): Promise<void>
  /** What was done beyond the position when that was written last; null: nothing is known. */
  ahead(group: string, partition: number): Promise<string | null>
}
