import type { Hono } from 'hono'
import type { Config } from '../../schemas/config.ts'
import type { DispatchControl } from '../dispatch/dispatch-control.ts'
import type { EventLog } from '../event-log/event-log.ts'
import type { IngestControl } from '../ingest/ingest-control.ts'
import type { Clock } from '../lib/clock.ts'
import type { OrderSource } from '../sources/source.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Authentication } from './auth/authenticate.ts'
import type { LatestAttempts } from './latest-attempts.ts'
import type { Route } from './route.ts'

export type Role = 'ingest' | 'dispatch' | 'api'

/** The dependencies of the API; `app.ts` provides them. */
export interface ApiDeps {
  readonly config: Pick<Config, 'connections' | 'retention'>
  /** The source of each connection, by the connection's id. */
  readonly sources: ReadonlyMap<string, Pick<OrderSource, 'feed' | 'asksForBuyer' | 'webhook'>>
  readonly store: Store
  readonly eventLog: Pick<EventLog, 'commitPublishes' | 'health' | 'notice' | 'contradiction'>
  /** null: another process polls. */
  readonly ingest: IngestControl | null
  /** null: another process delivers. */
  readonly dispatch: DispatchControl | null
  readonly metrics: Metrics
  readonly log: Log
  readonly clock: Clock
  readonly version: string
  /** Other processes may work on the same store. */
  readonly shared: boolean
  /** The name under which this process holds leases; absent: it holds none. */
  readonly owner?: string
  /** Without `api` only `/healthz`, `/readyz` and `/metrics` are served. */
  readonly roles: ReadonlySet<Role>
  /** null: only loopback clients are answered. */
  readonly apiKey: string | null
  /** A second key, for the command line of the same machine. */
  readonly localKey?: string | null
  /** The addresses people use: the `Host` and `Origin` that browsers may send. */
  readonly publicUrls: readonly string[]
  /** Encrypts endpoint secrets at rest. */
  readonly secretBox: { seal(text: string): string; open(sealed: string): string }
  /** A new endpoint secret: `whsec_…`. */
  newSecret(): string
  /** Why this URL may not be delivered to, as one sentence; null: it may. */
  checkUrl(url: string): string | null | Promise<string | null>
  /** Ids of the handlers, for a process without a dispatcher. */
  readonly handlers?: readonly string[]
  /** Every caller is an administrator: a command calls the API in its own process. */
  readonly trusted?: boolean
  /** Subscribes to new events in the store; returns the unsubscribe. Absent: the store is asked once a second while a stream is open. */
  readonly onEvents?: (listener: () => void) => () => void
  /** Another process works, and this one waits to take over; absent: never. */
  readonly standby?: () => boolean
  /** Refreshes the gauges before `/metrics` answers; default: `gauges.ts`. */
  readonly collect?: () => Promise<void>
  /** The console's pages; absent: none are served. */
  readonly console?: Console
}

/** The pages for browsers; `app.ts` provides them. */
export interface Console {
  /** What OpenAPI says of it. */
  readonly routes: readonly Route[]
  /** The pages. They authenticate by a session of their own. */
  open(parts: ConsoleParts): Hono
}

export type ConsoleParts = ApiDeps & {
  /** All calls of the API. */
  readonly api: readonly Route[]
  readonly authentication: Authentication
  readonly latest: LatestAttempts
}
