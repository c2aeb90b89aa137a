import { hash } from 'node:crypto'
import type { Connection, RateLimit } from '../../schemas/connection.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { ForwardProxy } from '../lib/forward-proxy.ts'
import type { Log } from '../telemetry/log.ts'
import { sourcesByVendor } from './built-in.ts'
import type { Source, Vault } from './define-source.ts'
import { createVendorHttp } from './shared/http.ts'
import { createPace, type Pace } from './shared/pace.ts'
import type { OrderSource } from './source.ts'

/** Opens the connections of a configuration: each with its source, its way to the vendor, and what its group shares. */

/** Connections of one group: they have the same credentials, and so one pace and one token. */
export interface ConnectionGroup {
  /** A digest: no credentials can be read from it. */
  readonly id: string
  readonly connections: number
  /** The strictest of its connections. */
  readonly limit: RateLimit
}

interface Connected {
  readonly config: Connection
  readonly source: OrderSource
  /** A digest of the configuration, to see when it was changed. */
  readonly fingerprint: string
  /** The vendor's present, milliseconds since the epoch; asks the vendor once if it has not answered yet. */
  readonly vendorNow: (signal: AbortSignal) => Promise<number>
  close(): Promise<void>
}

export interface ConnectDeps {
  readonly config: { readonly connections: readonly Connection[]; readonly sources: readonly unknown[] }
  readonly clock: Clock
  readonly log: Log
  /** Absent: vendors are reached directly. */
  readonly proxy?: ForwardProxy | null
  /** Where a group keeps what all processes share. Absent: each process has its own. */
  readonly shared?: {
    vault(group: string): Vault
    /** Milliseconds until the next request of all processes may leave; absent: no other process works on this store. */
    book?(group: string, limit: RateLimit): Promise<number>
  }
}

const groupIdOf = (source: Source, connection: Connection): string | null =>
  source.share && hash('sha256', JSON.stringify([source.vendor, ...source.share.groupOf(connection)]), 'base64url')

/** The groups of the enabled connections, by id. */
export function connectionGroups({
  connections,
  sources,
}: ConnectDeps['config']): ReadonlyMap<string, ConnectionGroup> {
  const known = sourcesByVendor(sources)
  const members = connections.flatMap(connection => {
    const source = sourceOf(known, connection)
    const id = connection.enabled ? groupIdOf(source, connection) : null
    return id === null ? [] : [{ id, limit: connection.rateLimit ?? source.limit }]
  })
  return new Map(
    [...Map.groupBy(members, ({ id }) => id)].map(([id, group]) => {
      const limit = {
        perSecond: Math.min(...group.map(({ limit }) => limit.perSecond)),
        burst: Math.min(...group.map(({ limit }) => limit.burst)),
      }
      return [id, { id, connections: group.length, limit }]
    }),
  )
}

/** One for each connection of the configuration, in its order. */
export function connectAll(deps: ConnectDeps): readonly Connected[] {
  const { config, clock, log, shared } = deps
  const known = sourcesByVendor(config.sources)
  const groups = connectionGroups(config)
  const opened = new Map<string, { readonly pace: Pace; readonly value: unknown }>()

  /** What the connection's group shares, opened with its first connection. */
  function sharedBy(source: Source, connection: Connection) {
    const id = groupIdOf(source, connection)
    if (id === null || !source.share) return null
    const group = groups.get(id)
    const before = opened.get(id)
    if (before) return before
    const limit = group?.limit ?? connection.rateLimit ?? source.limit
    // One connection is worked by one process at a time, so its pace needs nobody else's word.
    const book = group && group.connections > 1 && shared?.book ? () => shared.book?.(id, limit) ?? 0 : null
    const entry = {
      pace: createPace({ limit, clock, ...(book && { book: async () => book() }) }),
      value: source.share.open({ clock, ...(shared && { vault: shared.vault(id) }) }),
    }
    opened.set(id, entry)
    return entry
  }

  return config.connections.map(connection => {
    const source = sourceOf(known, connection)
    const group = sharedBy(source, connection)
    const http = createVendorHttp({
      ...{ connection: connection.id, baseUrl: connection.baseUrl, clock, log },
      limit: connection.rateLimit ?? source.limit,
      proxy: deps.proxy ?? null,
      ...(group && { pace: group.pace }),
    })
    return connectedOf(connection, source.create({ connection, http, clock, log, shared: group?.value }), http)
  })
}

function connectedOf(config: Connection, source: OrderSource, http: ReturnType<typeof createVendorHttp>): Connected {
  let asked = false
  const vendorNow = async (signal: AbortSignal) => {
    // Once: a vendor whose answers name no time is held to have ours.
    const ask = !http.offsetKnown && !asked
    asked = true
    if (ask) await source.check({ signal, priority: 'live' })
    return http.vendorNow()
  }
  const fingerprint = hash('sha256', JSON.stringify(config), 'base64url')
  return { config, source, fingerprint, vendorNow, close: () => http.close() }
}

function sourceOf(known: ReadonlyMap<string, Source>, { id, vendor }: Connection): Source {
  const source = known.get(vendor)
  if (source) return source
  throw new AppError(
    `The connection "${id}" names the vendor "${vendor}", which no source reads; there are: ${[...known.keys()].join(', ')}.`,
    { code: 'config.unknown_vendor', intent: 'fix' },
  )
}
