export interface OffsetStore {
  get(group: string, partition: number): Promise<number | null>
  set(group: string, partition: number, position: number): Promise<void>
}
