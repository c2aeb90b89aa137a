/** How far the groups of the embedded log are. */
export interface OffsetStore {
  get(group: string, partition: number): Promise<number | null>
  /**
   * Takes over where the group is: from now on only a `set` with this claim counts. A reader that was held up, and does not know yet
   * that another reads in its place, may not know all destinations either, and must not speak for them.
   */
  claim(group: string, partition: number): Promise<{ position: number; claim: number }>
  /** Never back. Nothing, if another has claimed it since; without a claim, if anybody has. */
  set(group: string, partition: number, position: number, claim?: number): Promise<void>
}
