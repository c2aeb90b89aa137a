import type { Lease } from './leases.ts'

/** What one receiver of alerts was last told of one subject (`endpoint/billing`, `connection/shop`, …). */
export interface AlertState {
  /** The receiver. */
  readonly alert: string
  readonly subject: string
  /** The trouble it is in; null: none. */
  readonly condition: string | null
  /** When that trouble began. */
  readonly since: number | null
  /** The trouble that was announced and is not over; null: none. */
  readonly announced: string | null
  readonly announcedAt: number | null
  /** Of subjects that are counted: what was announced up to here. 0 for the others. */
  readonly mark: number
}

/** A notice that waits to be sent. */
export interface StoredNotice {
  readonly n: number
  readonly alert: string
  readonly subject: string
  readonly body: string
  readonly createdAt: number
  /** Attempts that failed. */
  readonly attempts: number
}

export interface AlertChanges {
  readonly put: readonly AlertState[]
  readonly remove: readonly Pick<AlertState, 'alert' | 'subject'>[]
  /** To be sent from now on. */
  readonly notices: readonly (Pick<StoredNotice, 'alert' | 'subject' | 'body'> & { readonly at: number })[]
}

/** How an endpoint has done lately, by its attempts. */
export interface EndpointHealth {
  /** null: no attempt is kept. */
  readonly newest: {
    readonly outcome: string
    readonly at: number
    readonly error: string | null
    readonly response: string | null
  } | null
  /** The first attempts since a given time that failed with nothing delivered after them, the earliest first. */
  readonly failures: readonly { readonly at: number; readonly orderKey: string }[]
}

export interface AlertStore {
  states(): Promise<readonly AlertState[]>
  /** All or nothing, and only while the lease is held: so a state is announced once, whichever process sees it. */
  save(lease: Lease, changes: AlertChanges): Promise<void>
  /** Removes the states and notices of receivers other than these. */
  keepOnly(lease: Lease, alerts: readonly string[]): Promise<void>
  /** Notices for a receiver that are due, the earliest first; of each subject only its first that waits. */
  due(alert: string, now: number, limit: number): Promise<readonly StoredNotice[]>
  /** A notice that could not be sent is tried again at `nextAt`. */
  postpone(lease: Lease, n: number, nextAt: number): Promise<void>
  /** A notice was sent, or is given up. */
  removeNotice(lease: Lease, n: number): Promise<void>
  health(endpoint: string, since: number): Promise<EndpointHealth>
  /** The number (`DeadLetterRow.n`) of the newest dead letter of each destination that has one. */
  newestLetters(): Promise<ReadonlyMap<string, number>>
  /** Dead letters of a destination after number `after`: how many, and of the newest its error. */
  lettersAfter(destination: string, after: number): Promise<{ count: number; lastError: string | null }>
}
