import type { EndpointFilter } from '../../../schemas/endpoint.ts'
import type { EventType } from '../../../schemas/order-event.ts'

export interface EndpointRow {
  readonly id: string
  readonly url: string
  /** null: all. */
  readonly types: readonly EventType[] | null
  readonly connections: readonly string[] | null
  /** Encrypted. */
  readonly secret: string
  /** Those before it that still sign along, encrypted, each until a time; the newest first. */
  readonly formerSecrets: readonly { readonly secret: string; readonly until: number }[]
  /** Conditions on members of the event, as configured; null: none. */
  readonly filter: EndpointFilter | null
  /** Headers of its own by name, each value encrypted; null: none. */
  readonly headers: Readonly<Record<string, string>> | null
  /** Delivery options of its own, as configured; merged over the global ones by dispatch. */
  readonly delivery: Readonly<Record<string, unknown>> | null
  readonly description: string | null
  readonly state: 'active' | 'paused' | 'disabled'
  readonly stateReason: string | null
  /** It asked to be left alone until then; null: it did not, or whoever changed it since takes that back. May be long past. */
  readonly restUntil: number | null
  /** Declared in the configuration. */
  readonly declared: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

export interface EndpointStore {
  list(): Promise<readonly EndpointRow[]>
  get(id: string): Promise<EndpointRow | null>
  /**
   * False: the id is taken. `replaySince`: with a replay of the past since then, which comes before anything else (`ReplayRow.opening`).
   * `shared`: dispatchers in other processes learn of it later, so with a replay of what comes into the history until they do.
   */
  insert(endpoint: EndpointRow, options?: { replaySince?: number; shared?: boolean }): Promise<boolean>
  /** False: there is none with this id, or with `expected` none that is still as it was read. */
  update(
    id: string,
    patch: Partial<Omit<EndpointRow, 'id' | 'createdAt'>>,
    expected?: Partial<Pick<EndpointRow, 'secret' | 'updatedAt'>>,
  ): Promise<boolean>
  /** It asks to be left alone until then: of several who say so the latest time counts, unless that is more than `LONGEST_REST` (lib/retry-after.ts) later. */
  rest(id: string, until: number): Promise<void>
  /** With its backlog, lanes, replays, dead letters and attempts. False: there was none. */
  remove(id: string): Promise<boolean>
}
