import type { Paging } from './paging.ts'

export interface QuarantineRow {
  readonly n: number
  readonly id: string
  readonly connection: string
  readonly orderId: string | null
  /** When it was first seen. */
  readonly at: number
  readonly reason: string
  readonly path: string
  readonly value: string
}

export interface QuarantineStore {
  /** Newest first. */
  list(filter: { connection?: string; orderId?: string }, paging: Paging): Promise<readonly QuarantineRow[]>
  get(id: string): Promise<QuarantineRow | null>
  remove(id: string): Promise<void>
}
