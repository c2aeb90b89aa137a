import type { z } from 'zod'
import { Vendor } from '../../schemas/common.ts'
import {
  type Connection,
  connectionSchema,
  markSource,
  type RateLimit,
  type SourceSchema,
  type VendorOptions,
} from '../../schemas/connection.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Log } from '../telemetry/log.ts'
import type { VendorHttp } from './shared/http.ts'
import type { OrderSource, Simulated, WebhookReader } from './source.ts'

/** The shared options of a connection, and those that its source declares. */
type ConnectionOf<Own extends z.ZodRawShape> = Connection & z.output<z.ZodObject<Own>>

/** A text that all processes find, such as a token. Only one of them at a time may replace it. */
export interface Vault {
  read(): Promise<{ readonly text: string; readonly version: number } | null>
  /** Replaces the entry of this version (0: none). False: another process was first. */
  write(text: string, version: number): Promise<boolean>
  /** The right to replace the text, for about half a minute; null: another process has it. */
  claim(): Promise<VaultClaim | null>
}

export interface VaultClaim {
  /** For half a minute more. False: another process has it now. */
  extend(): Promise<boolean>
  release(): Promise<void>
}

/** What the author of a source writes; the rest is put onto it. */
export type VendorSource = Omit<OrderSource, 'webhook' | 'asksForBuyer'>

export interface SourceDeps<Options, Group> {
  readonly connection: Options
  /** The only way to the vendor: it keeps the pace and the vendor's clock, and turns what fails into errors with an intent. */
  readonly http: VendorHttp
  readonly clock: Clock
  readonly log: Pick<Log, 'warn'>
  /** What `share.open` made for the group of this connection. */
  readonly shared: Group
}

/** What connections with the same credentials have in common. Their pace is shared as well, the strictest of them. */
interface Sharing<Options, Group> {
  /** What makes two connections one group: base URL and credentials, for example. It is digested and never shown. */
  groupOf(connection: Options): readonly string[]
  /** Called once for each group. `vault`: where the processes of one installation meet; absent in commands that need no store. */
  open(deps: { readonly clock: Clock; readonly vault?: Vault }): Group
}

export interface SourceDefinition<V extends string, Own extends z.ZodRawShape, Group> extends VendorOptions<V, Own> {
  /** As the vendor publishes it; `rateLimit` of a connection replaces it. */
  readonly limit: RateLimit
  readonly share?: Sharing<ConnectionOf<Own>, Group>
  create(deps: SourceDeps<ConnectionOf<Own>, Group>): VendorSource
  /** How this connection's webhooks are verified and read; null: it takes none, for example because it has no secret. */
  webhook?(connection: ConnectionOf<Own>): WebhookReader | null
  /** A single order can be read only together with its buyer's id. */
  readonly asksForBuyer?: boolean
  /**
   * Starts a simulated vendor that takes the credentials of this connection. With `sandbox` in the configuration it is started and polled
   * instead of `baseUrl`. `speed`: how many times faster than life.
   */
  simulator?(connection: ConnectionOf<Own>, options: { readonly speed: number }): Promise<Simulated>
}

/** What a configuration lists in `sources`. `Input`: how a connection to its vendor is written. */
export interface Source<Input = unknown> extends SourceSchema {
  readonly limit: RateLimit
  readonly share: Sharing<Connection, unknown> | null
  create(deps: SourceDeps<Connection, unknown>): OrderSource
  readonly simulator: ((connection: Connection, options: { readonly speed: number }) => Promise<Simulated>) | null
  /** Never set: it carries the type. */
  readonly input?: Input
}

/** Makes a vendor known to orderwire. A configuration lists the source in `sources`; `connections` may then name its vendor. */
export function defineSource<V extends string, Own extends z.ZodRawShape, Group = undefined>(
  definition: SourceDefinition<V, Own, Group>,
): Source<z.input<ReturnType<typeof connectionSchema<V, Own>>>> {
  const { vendor, limit, share, webhook, simulator, asksForBuyer = false } = definition
  if (!Vendor.safeParse(vendor).success)
    throw new AppError(
      `defineSource: the vendor is named "${vendor.slice(0, 40)}"; use small letters, digits, "_" and "-", at most 32, starting with a letter.`,
      { code: 'source.vendor', intent: 'fix' },
    )
  return markSource({
    vendor,
    limit,
    connection: connectionSchema(definition),
    // The configuration's schema has read the connection with the options of this very source: from here on it has their types.
    share: (share as Sharing<Connection, unknown> | undefined) ?? null,
    simulator: (simulator as Source['simulator'] | undefined) ?? null,
    create(deps: SourceDeps<Connection, unknown>): OrderSource {
      const own = deps as SourceDeps<ConnectionOf<Own>, Group>
      const reader = webhook?.(own.connection) ?? null
      return { ...definition.create(own), asksForBuyer, ...(reader && { webhook: reader }) }
    },
  })
}

export const isSource = (value: SourceSchema): value is Source =>
  typeof Reflect.get(value, 'create') === 'function' && 'limit' in value
