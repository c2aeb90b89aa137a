import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hono } from 'hono'
import { pino } from 'pino'
import { Config } from '../../schemas/config.ts'
import type { OrderSnapshot } from '../../schemas/order.ts'
import { createApi } from '../../src/api/api.ts'
import type { ApiDeps } from '../../src/api/deps.ts'
import { createConsole } from '../../src/console/console.ts'
import type { DispatchControl } from '../../src/dispatch/dispatch-control.ts'
import type { IngestControl, PollOptions, PollResult, ReadResult } from '../../src/ingest/ingest-control.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { decide } from '../../src/order/decide.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import { NEW_ORDER } from '../../src/order/state.ts'
import { connectAll } from '../../src/sources/connect.ts'
import type { Lease } from '../../src/store/port/leases.ts'
import type { Store } from '../../src/store/store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { quietLog } from '../helpers/quiet.ts'
import { paid, parcel, snapshot } from '../helpers/snapshots.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'

export const NOW = Date.parse('2026-03-05T12:00:00.000Z')
export const WEBHOOK_SECRET = 'artificial webhook secret'

const config = Config.parse({
  connections: [
    {
      id: 'shop',
      vendor: 'shoplazza',
      baseUrl: 'https://shop.example/openapi/2022-01',
      accessToken: 'x',
      webhookSecret: WEBHOOK_SECRET,
    },
    { id: 'kk', vendor: 'kakaclo', baseUrl: 'https://kk.example/openapi', token: 'x' },
    {
      id: 'tuya',
      vendor: 'tuya',
      baseUrl: 'https://tuya.example',
      clientId: 'c',
      clientSecret: 's',
      mallCode: 'm',
      shopCode: 's',
    },
    { id: 'off', vendor: 'kakaclo', baseUrl: 'https://kk.example/openapi', token: 'x', enabled: false },
  ],
})

/** The real sources; they reach nothing until they are asked. */
const sourcesOf = ({ connections }: Pick<Config, 'connections'>): ApiDeps['sources'] =>
  new Map(
    connectAll({ config: { connections, sources: [] }, clock: systemClock(), log: quietLog }).map(each => [
      each.config.id,
      each.source,
    ]),
  )

/** What the doubles of the working parts were asked, and what they answer. */
interface Parts {
  readonly asked: string[]
  poll(connection: string, options: PollOptions): Promise<PollResult>
  read: (connection: string, orders: Parameters<IngestControl['read']>[1]) => Promise<ReadResult>
  ingestHealth: string | null
  ingestTroubles: Map<string, string>
  dispatchHealth: string | null
  logHealth: string | null
  logCommitPublishes: boolean
  logNotice: string | null
  logContradiction: string | null
}

export interface Harness {
  readonly app: Hono
  readonly store: Store
  readonly parts: Parts
  readonly lease: Lease
  /** A request as a client of this machine sends it. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
  /** An order whose events go into the history; returns them. */
  seed(
    connection: string,
    orderId: string,
    own?: Partial<OrderSnapshot>,
    observedAt?: number,
  ): Promise<readonly EventRecord[]>
  /** Tells the API that there are new events. */
  ring(): void
  close(): Promise<void>
}

interface CallOptions {
  readonly body?: unknown
  readonly headers?: Record<string, string>
  /** Address of the client; default 127.0.0.1. */
  readonly from?: string
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The JSON body, loosely typed: tests read it by member. */
  // biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the test expects
  readonly body: any
}

export const env = (remoteAddress = '127.0.0.1') => ({ incoming: { socket: { remoteAddress } } })

export async function openHarness(own: Partial<ApiDeps> = {}): Promise<Harness> {
  const folder = await mkdtemp(join(tmpdir(), 'orderwire-http-'))
  const clock: Clock = { ...systemClock(), now: () => NOW }
  const store = await openTestSqlite({ folder, clock })
  await store.connections.configure(config.connections.map(({ id, vendor }) => ({ id, vendor, fingerprint: 'f' })))
  const lease = await store.leases.acquire('test', 'test', 3_600_000, NOW)
  if (!lease) throw new Error('the lease is taken')
  const listeners = new Set<() => void>()
  const parts: Parts = {
    asked: [],
    poll: async () => ({ orders: 0, events: [], quarantined: 0 }),
    read: async () => ({ snapshots: [], rejects: [] }),
    ingestHealth: null,
    ingestTroubles: new Map(),
    dispatchHealth: null,
    logHealth: null,
    logCommitPublishes: true,
    logNotice: null,
    logContradiction: null,
  }
  const app = createApi({
    console: createConsole(),
    config,
    sources: sourcesOf(own.config ?? config),
    store,
    eventLog: {
      get commitPublishes() {
        return parts.logCommitPublishes
      },
      health: () => parts.logHealth,
      notice: () => parts.logNotice,
      contradiction: async () => parts.logContradiction,
    },
    ingest: ingestDouble(parts),
    dispatch: dispatchDouble(parts, store),
    metrics: createMetrics(),
    log: pino({ level: 'silent' }),
    clock,
    version: '0.0.0',
    shared: false,
    roles: new Set(['ingest', 'dispatch', 'api']),
    apiKey: null,
    publicUrls: ['https://orders.example.com', 'http://intranet.example:8080'],
    secretBox: { seal: text => `sealed:${btoa(text)}`, open: sealed => atob(sealed.slice(7)) },
    newSecret: () => `whsec_${'A'.repeat(32)}`,
    checkUrl: url => (url.includes('10.0.0.1') ? '10.0.0.1 is a private address.' : null),
    onEvents: listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    ...own,
  })

  return {
    app,
    store,
    parts,
    lease,
    async call(method, path, { body, headers = {}, from = '127.0.0.1' } = {}) {
      const json = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
      const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
      const response = await app.request(
        path,
        { method, headers: { ...type, ...headers }, ...(json !== undefined && { body: json }) },
        env(from),
      )
      const text = await response.text()
      const isJson = /json(?!l)/.test(response.headers.get('content-type') ?? '')
      return {
        status: response.status,
        headers: response.headers,
        text,
        body: isJson && text !== '' ? JSON.parse(text) : undefined,
      }
    },
    async seed(connection, orderId, own = {}, observedAt = NOW) {
      const seen = snapshot({ orderId, paid: paid(), packages: [parcel('p-1')], ...own })
      const vendor = connection === 'shop' ? 'shoplazza' : connection === 'tuya' ? 'tuya' : 'kakaclo'
      const { state, events } = decide(NEW_ORDER, { connection, vendor, snapshot: seen, observedAt })
      const row = {
        connection,
        orderId,
        userId: null,
        digest: orderId,
        state,
        snapshot: seen,
        observedAt,
        recheckAt: null,
      }
      const quarantine = [{ orderId, entries: seen.doubts, at: observedAt }]
      await store.orders.commit(lease, { connection, orders: [row], events, published: true, quarantine })
      return events
    },
    ring: () => {
      for (const listener of listeners) listener()
    },
    async close() {
      await store.close()
      await rm(folder, { recursive: true })
    },
  }
}

function ingestDouble(parts: Parts): IngestControl {
  return {
    poll: (connection, options) => parts.poll(connection, options),
    read: (connection, orders) => parts.read(connection, orders),
    refetch: (connection, orderId) => void parts.asked.push(`refetch ${connection} ${orderId}`),
    backfill: connection => void parts.asked.push(`backfill ${connection}`),
    publish: async connection => void parts.asked.push(`publish ${connection}`),
    wake: connection => void parts.asked.push(`wake ${connection}`),
    health: () => parts.ingestHealth,
    troubles: () => parts.ingestTroubles,
  }
}

function dispatchDouble(parts: Parts, store: Store): DispatchControl {
  return {
    refresh: async () => void parts.asked.push('refresh'),
    wake: () => void parts.asked.push('wake dispatch'),
    test: async ({ id }) => {
      parts.asked.push(`test ${id}`)
      return { statusCode: 204, ms: 12, error: null }
    },
    replay: async (destination, filter) => {
      parts.asked.push(`replay ${destination} ${JSON.stringify(filter)}`)
      return store.events.count(filter)
    },
    destinations: () => [{ id: 'audit', kind: 'handler', state: 'active' }],
    health: () => parts.dispatchHealth,
  }
}
