import type { Connection, Destination } from '../../schemas/api.ts'
import type { DeadLetterGroup } from '../store/port/dead-letters.ts'

/** Worst first. `critical`: work stands still. `warning`: it goes on, but a person should look. `info`: good to know. */
export const SEVERITIES = ['critical', 'warning', 'info'] as const

/** A call of the API that may remove the cause. */
interface AttentionAction {
  /** What a button says. */
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: Readonly<Record<string, unknown>>
}

/** One thing that needs a person. Times are milliseconds since the epoch. */
export interface Attention {
  /** Stable, e.g. `destination.open`. */
  readonly kind: string
  readonly severity: (typeof SEVERITIES)[number]
  /** The id of the connection or destination; `store`, `event-log` or `process` for the rest. */
  readonly subject: string
  /** null: not known. */
  readonly since: number | null
  /** What is wrong, in our words. */
  readonly sentence: string
  /** Why, in the words of the vendor, the receiver or the part that failed; null: the sentence says all. */
  readonly reason: string | null
  readonly actions: readonly AttentionAction[]
}

/** What is looked at. The members are what the API answers and the store counts. */
export interface Situation {
  readonly now: number
  readonly connections: readonly Connection[]
  /** Events that the event log does not have yet, by connection. */
  readonly unpublished: readonly { connection: string; count: number; oldestObservedAt: number }[]
  readonly destinations: readonly Destination[]
  /** Of the last `DEAD_LETTERS_MS`. */
  readonly deadLetters: readonly DeadLetterGroup[]
  /** Dead letters that retention deleted, by destination, and when it last did. */
  readonly expired: ReadonlyMap<string, { count: number; lastAt: number }>
  readonly quarantine: readonly { connection: string; count: number; since: number; reason: string }[]
  /** The parts of this process that fail, each with its sentence. */
  readonly failing: readonly { part: 'store' | 'event-log' | 'ingest' | 'dispatch'; sentence: string }[]
  /** The event log went back within the last day; null: it did not. */
  readonly notice: string | null
  /** Another process works, and this one waits to take over. */
  readonly standby: boolean
}

/** Dead letters older than this are no news. */
export const DEAD_LETTERS_MS = 24 * 3_600_000

export const eventsText = (count: number): string => (count === 1 ? '1 event' : `${count} events`)
