import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Connection } from '../../schemas/config.ts'
import { OrderEvent } from '../../schemas/order-event.ts'
import { createIngest } from '../../src/ingest/ingest.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createVendorHttp } from '../../src/sources/shared/http.ts'
import type { QuarantineRow } from '../../src/store/port/quarantine.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { builtIn } from '../helpers/built-in.ts'
import { quietLog } from '../helpers/quiet.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { unreadLog } from '../helpers/unread-log.ts'

/** The whole way in, as the program has it: a vendor on loopback, its source, a poll, and the store; one connection for each poll. */

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface Seen {
  readonly connection: string
  /** Of all that was stored, oldest first; each is valid. */
  readonly events: readonly OrderEvent[]
  readonly bodies: readonly string[]
  readonly quarantine: readonly QuarantineRow[]
  /** What the poll rejected with; null: nothing. */
  readonly error: unknown
  readonly requests: readonly string[]
  readonly cursor: number | null
}

export type Kind = 'kakaclo v1' | 'kakaclo v2' | 'shoplazza 2022-01' | 'shoplazza 2025-06' | 'tuya'

const NOW = Date.parse('2026-06-01T00:00:00Z')
const USER = 'u1'

function configOf(kind: Kind, id: string, base: string): Connection {
  const common = { id, backfill: '2015-01-01' }
  switch (kind) {
    case 'kakaclo v1':
    case 'kakaclo v2':
      return Connection.parse({
        ...common,
        vendor: 'kakaclo',
        baseUrl: `${base}/openapi`,
        token: 't',
        apiVersion: kind.slice(-2),
      })
    case 'shoplazza 2022-01':
    case 'shoplazza 2025-06':
      return Connection.parse({
        ...common,
        vendor: 'shoplazza',
        baseUrl: `${base}/openapi/${kind.slice(-7)}`,
        accessToken: 't',
      })
    case 'tuya':
      return Connection.parse({
        ...common,
        vendor: 'tuya',
        baseUrl: base,
        clientId: 'c',
        clientSecret: 's',
        mallCode: 'm',
        shopCode: 's',
        statuses: { delivered: ['received'], refunded: ['refunded'] },
      })
  }
}

export async function openChain() {
  const clock = systemClock()
  const folder = await temporaryFolder()
  const store = await openTestSqlite({ folder: folder.path, clock })
  let answer: Answer = (_, response) => void response.end()
  let requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    response.on('error', () => {})
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let polls = 0

  return {
    async poll(
      kind: Kind,
      answering: Answer,
      own: { vendorNow?: () => number; base?: string; hurry?: number } = {},
    ): Promise<Seen> {
      const id = `c${++polls}`
      const config = configOf(kind, id, own.base ?? base)
      // Its limits come so many times sooner.
      const hurried = { ...clock, after: (ms: number, run: () => void) => clock.after(ms / (own.hurry ?? 1), run) }
      answer = answering
      requests = []
      const http = createVendorHttp({
        connection: id,
        baseUrl: config.baseUrl,
        limit: { perSecond: 1e6, burst: 1e6 },
        clock: hurried,
      })
      const source = builtIn(config.vendor).create({
        connection: config,
        http,
        clock,
        log: quietLog,
        shared: undefined,
      })
      const ingest = createIngest({
        connections: [{ config, source, vendorNow: async () => own.vendorNow?.() ?? NOW }],
        store,
        eventLog: unreadLog,
        owner: 'fuzz',
        clock,
        log: quietLog,
        metrics: createMetrics(),
      })
      await store.connections.configure([{ id, vendor: config.vendor, fingerprint: 'f' }])
      if (config.vendor === 'tuya') await store.follows.put(id, 'user', USER, USER, clock.now() - 1)
      const error = await ingest.poll(id, { signal: new AbortController().signal }).then(
        () => null,
        (reason: unknown) => reason,
      )
      await http.close()
      const stored = await store.events.list({ connections: [id] }, { limit: 10_000 })
      return {
        connection: id,
        bodies: stored.map(({ body }) => body),
        events: stored.map(({ body }) => OrderEvent.parse(JSON.parse(body))),
        quarantine: await store.quarantine.list({ connection: id }, { limit: 1_000 }),
        error,
        requests,
        cursor: (await store.connections.get(id))?.cursor ?? null,
      }
    },
    async close(): Promise<void> {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
      await store.close()
      await folder.remove()
    },
  }
}
