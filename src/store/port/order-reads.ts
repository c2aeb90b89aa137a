import type { Lease } from './leases.ts'

/** An order to be read by itself, because a webhook announced it or a person asked for it. */
export interface OrderRead {
  readonly connection: string
  readonly orderId: string
  /** The buyer's id where its source asks for it. */
  readonly userId: string | null
  /** A webhook announced a change: the order is read until it shows one. False: one reading is enough. */
  readonly announced: boolean
  readonly askedAt: number
  /** How the stored order looked when it was asked for (`pictureOf`). */
  readonly seen: string
  /** When to read it next. Equal to `askedAt` until the first reading. */
  readonly nextAt: number
}

export interface OrderReadStore {
  /** Adds the order, due at `askedAt`. An order that waits already starts over. Needs no lease: any process may get a webhook. */
  ask(read: Omit<OrderRead, 'nextAt'>): Promise<void>
  /** Earliest first, due or not. */
  upcoming(connection: string, limit: number): Promise<readonly OrderRead[]>
  /** Which of these connections have orders that are due. */
  due(connections: readonly string[], now: number): Promise<readonly string[]>
  /** Moves reads to `next`, or ends them (null). Takes them as they were loaded: an order that was asked for again since stays due. */
  settle(lease: Lease, reads: readonly (OrderRead & { next: number | null })[]): Promise<void>
}
