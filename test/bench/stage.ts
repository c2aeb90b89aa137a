import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { DEFAULT_DELIVERY, type Delivery } from '../../schemas/config.ts'
import { createPost, deliverBy } from '../../src/destinations/webhooks/deliver.ts'
import { createGuard } from '../../src/destinations/webhooks/egress.ts'
import { createSender } from '../../src/destinations/webhooks/send.ts'
import type { Destination, Outcome } from '../../src/dispatch/destination.ts'
import { createDispatcher, type Dispatcher } from '../../src/dispatch/dispatcher.ts'
import { createEmbeddedLog } from '../../src/event-log/embedded.ts'
import { createKafkaLog } from '../../src/event-log/kafka/kafka-log.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { newSecret } from '../../src/lib/secret-box.ts'
import { createSigner } from '../../src/lib/sign.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import { openPostgres } from '../../src/store/postgres/postgres.ts'
import { openSqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { endpointRow } from '../helpers/endpoint-row.ts'
import { unique } from '../helpers/kafka.ts'

const clock = systemClock()

const ONCE = { attempt: 1, replay: false, signal: new AbortController().signal }

/** Servers to use instead of the embedded store and log. */
export interface Servers {
  readonly brokers: string
  /** An empty database. */
  readonly database: string
}

/** Store, log, sender and dispatcher as the program wires them, on a folder that is removed, or on servers. */
export interface Stage {
  readonly store: Store
  readonly dispatcher: Dispatcher
  /** Stores the events and wakes the dispatcher. */
  publish(events: readonly EventRecord[]): Promise<void>
  readonly endpoints: readonly { readonly id: string; readonly concurrency: number }[]
  /** One delivery by the sender alone. */
  send(id: string, event: EventRecord): Promise<Outcome>
  close(): Promise<void>
}

/** `delivered` is told of each success. */
export async function openStage(
  endpoints: readonly { id: string; url: string; delivery?: Partial<Delivery> }[],
  delivered: (id: string, event: EventRecord) => void,
  servers: Servers | null = null,
): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const store = servers ? await openPostgres({ url: servers.database, clock }) : await openSqlite({ folder, clock })
  const lease = await store.leases.acquire('bench', 'bench', 3_600_000, clock.now())
  if (!lease) throw new Error('a new store gives every lease')
  const log = pino({ level: 'silent' })
  const metrics = createMetrics()
  const eventLog = servers
    ? await createKafkaLog({
        ...{ brokers: servers.brokers.split(','), tls: null, sasl: null, clientId: 'bench', topic: unique('bench') },
        ...{ partitions: 12, replication: null, clock, log, metrics },
      })
    : createEmbeddedLog({ store, clock })
  const sender = createSender({ guard: createGuard({ allow: ['127.0.0.0/8'] }), clock })
  const bare = new Map<string, Destination['deliver']>()
  const destinations = endpoints.map(({ id, url, delivery: own }): Destination => {
    const delivery = { ...DEFAULT_DELIVERY, ...own }
    const signer = createSigner([newSecret()])
    const post = createPost({ url, timeoutMs: delivery.timeout, signer: () => signer, sender, clock, version: '0' })
    const deliver = deliverBy(post, clock)
    bare.set(id, deliver)
    return {
      id,
      kind: 'endpoint',
      state: 'active',
      types: null,
      connections: null,
      delivery,
      async deliver(event, context) {
        const outcome = await deliver(event, context)
        if (outcome.result === 'delivered') delivered(id, event)
        return outcome
      },
    }
  })
  for (const { id } of destinations) await store.endpoints.insert(endpointRow({ id }))
  const dispatcher = createDispatcher({
    store,
    eventLog,
    clock,
    log,
    metrics,
    group: servers ? unique('bench') : 'bench',
    destinations: async () => destinations,
    disable: async () => {},
    test: async () => ({ statusCode: null, ms: 0, error: null }),
  })
  return {
    store,
    dispatcher,
    async publish(events) {
      await store.orders.commit(lease, { connection: 'shop', orders: [], events, published: true, quarantine: [] })
      await eventLog.append(events)
    },
    endpoints: destinations.map(({ id, delivery }) => ({ id, concurrency: delivery.concurrency })),
    async send(id, event) {
      const deliver = bare.get(id)
      if (!deliver) throw new Error(`there is no endpoint ${id}`)
      return deliver(event, ONCE)
    },
    async close() {
      await dispatcher.stop(0)
      await sender.close()
      await eventLog.close()
      await store.close()
      rmSync(folder, { recursive: true })
    },
  }
}
