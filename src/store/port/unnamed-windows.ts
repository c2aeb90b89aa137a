import type { Window } from '../../sources/source.ts'
import type { Lease } from './leases.ts'

/** A window of update time in which a poll saw rows without a readable order id. It is read again, a few times. */
export interface UnnamedWindow extends Window {
  readonly connection: string
  /** How often it was read again. */
  readonly tries: number
  /** When to read it again. */
  readonly nextAt: number
}

export interface UnnamedWindowStore {
  /** Of a connection, the next one first. */
  list(connection: string): Promise<readonly UnnamedWindow[]>
  /** Adds it, or changes its tries and next time. `instead`: one that it replaces, in the same transaction. */
  put(lease: Lease, window: UnnamedWindow, instead?: Window): Promise<void>
  remove(lease: Lease, window: Pick<UnnamedWindow, 'connection' | 'from' | 'to'>): Promise<void>
  /** Makes all of a connection due now; returns how many. Needs no lease: any process may be asked. */
  makeDue(connection: string, now: number): Promise<number>
}
