import type { Lease } from './leases.ts'

/** Where each group of the embedded log is. */
export interface OffsetStore {
  get(group: string, partition: number): Promise<number | null>
  /**
   * If the position is beyond the last `n` ever given (the history was restored, the offset was not), sets it to the beginning and
   * returns what it was. null: it is not beyond.
   */
  rewind(group: string, partition: number): Promise<number | null>
  /**
   * Moves the position forward, never back. `lease`: under which the group reads; null: nobody else can. A former reader that was suspended
   * may not know all destinations, so it must not commit for them. `ahead`: what is acknowledged beyond the position, as `event-log/ahead.ts`
   * writes it.
   */
  set(group: string, partition: number, position: number, lease?: Lease | null, ahead?: string): Promise<void>
  /** What was acknowledged beyond the position at its last write. null: nothing is known. */
  ahead(group: string, partition: number): Promise<string | null>
}
