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
  /** Former secrets that still sign as well, encrypted, each until its time. Newest first. */
  readonly formerSecrets: readonly { readonly secret: string; readonly until: number }[]
  /** Conditions on members of the event, as configured; null: none. */
  readonly filter: EndpointFilter | null
  /** Additional request headers by name, each value encrypted. null: none. */
  readonly headers: Readonly<Record<string, string>> | null
  /** Delivery options of this endpoint, as configured. Dispatch merges them over the global ones. */
  readonly delivery: Readonly<Record<string, unknown>> | null
  readonly description: string | null
  readonly state: 'active' | 'paused' | 'disabled'
  readonly stateReason: string | null
  /** It asked by Retry-After to rest until then; may be past. null: it did not ask, or the endpoint was edited since. */
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
   * False: the id is taken. `replaySince`: also asks for a replay from then on, delivered before anything else (`ReplayRow.opening`).
   * `shared`: dispatchers in other processes learn of the endpoint later, so the replay covers the events until they do.
   */
  insert(endpoint: EndpointRow, options?: { replaySince?: number; shared?: boolean }): Promise<boolean>
  /** False: there is no endpoint of this id, or, with `expected`, it was changed since it was read. */
  update(
    id: string,
    patch: Partial<Omit<EndpointRow, 'id' | 'createdAt'>>,
    expected?: Partial<Pick<EndpointRow, 'secret' | 'updatedAt'>>,
  ): Promise<boolean>
  /** It asks to rest until then. The latest time wins, unless it is more than `LONGEST_REST` (lib/retry-after.ts) away. */
  rest(id: string, until: number): Promise<void>
  /** Removes the endpoint with its backlog, lanes, replays, dead letters and attempts. False: there was none. */
  remove(id: string): Promise<boolean>
}
