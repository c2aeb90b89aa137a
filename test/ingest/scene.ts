import { afterEach, beforeEach } from 'vitest'
import { Connection } from '../../schemas/config.ts'
import type { OrderSnapshot } from '../../schemas/order.ts'
import { OrderEvent } from '../../schemas/order-event.ts'
import { readAgain } from '../../src/api/read-again.ts'
import type { EventLog } from '../../src/event-log/event-log.ts'
import { createIngest } from '../../src/ingest/ingest.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { OrderSource } from '../../src/sources/source.ts'
import type { Store } from '../../src/store/store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { gist } from '../helpers/decided.ts'
import { recordingLog } from '../helpers/quiet.ts'
import { type FeedScript, MINUTE_START, scriptedFeed } from '../helpers/scripted-feed.ts'
import { shiftedClock } from '../helpers/shifted-clock.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { temporaryFolder } from '../helpers/temp.ts'

/** A scripted vendor, a store and the real ingest of one connection, `shop`; a new store for each test. */

export const clock = shiftedClock()
export const signal = new AbortController().signal
let folder: Awaited<ReturnType<typeof temporaryFolder>>
/** Of the running test. */
export let store: Store

/** Call it once in each test file, before its own hooks. */
export function newStoreForEachTest(): void {
  beforeEach(async () => {
    // Ours agrees with the present of the scripted vendor.
    clock.shift(MINUTE_START + 60_000 - clock.now())
    folder = await temporaryFolder()
    store = await openTestSqlite({ folder: folder.path, clock })
  })
  afterEach(async () => {
    await store.close()
    await folder.remove()
  })
}

/** An event log that keeps what it was given; `refuses` makes it unreachable. */
export function memoryLog({ commitPublishes = false } = {}) {
  const appended: string[] = []
  const control = { refuses: false, appended }
  const log: EventLog = {
    commitPublishes,
    ownsAllPartitions: commitPublishes,
    partitions: 1,
    partitionOf: () => 0,
    append: async events => {
      if (control.refuses)
        throw new AppError('The brokers cannot be reached.', { code: 'log.unreachable', intent: 'retry' })
      appended.push(...events.map(({ id }) => id))
    },
    consume: () => Promise.reject(new Error('not consumed here')),
    health: () => null,
    notice: () => null,
    contradiction: async () => null,
    check: async () => 'memory',
    close: async () => {},
  }
  return { ...control, control, log }
}

interface Scene {
  script: FeedScript
  fetched?: OrderSnapshot[]
  /** What reading single orders fails with, given their ids. */
  fetchFails?: (orderIds: readonly string[]) => AppError | null | Promise<AppError | null>
  complete?: OrderSource['complete']
  backfill?: string
  reasons?: boolean
  eventLog?: EventLog
  /** The vendor's present. */
  now?: number | (() => number)
  reconcile?: { every: string; lookBack: string } | false
  pollEvery?: string
  /** Default: the real one, which can be shifted. */
  time?: Clock
  /** Every pause is this many times shorter. */
  hurry?: number
}

export async function scene({
  script,
  fetched = [],
  fetchFails = () => null,
  complete,
  backfill,
  reasons = true,
  eventLog = memoryLog({ commitPublishes: true }).log,
  now = MINUTE_START + 60_000,
  reconcile,
  pollEvery = '50ms',
  time = clock,
  hurry = 1,
}: Scene) {
  const { feed, requests, created } = scriptedFeed(script)
  const fetches: string[][] = []
  const source: OrderSource = {
    feed,
    fetch: async refs => {
      fetches.push(refs.map(({ orderId }) => orderId))
      const asked = new Set(refs.map(({ orderId }) => orderId))
      const failure = await fetchFails([...asked])
      if (failure) throw failure
      return { orders: fetched.filter(({ orderId }) => asked.has(orderId)), rejects: [] }
    },
    check: async () => 'scripted',
    ...(complete ? { complete } : {}),
  }
  const config = Connection.parse({
    id: 'shop',
    vendor: 'shoplazza',
    baseUrl: 'http://127.0.0.1:1/openapi/2022-01',
    accessToken: 't',
    pollEvery,
    reasons,
    ...(backfill ? { backfill } : {}),
    ...(reconcile === undefined ? {} : { reconcile }),
  })
  await store.connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
  const { log, lines } = recordingLog()
  const metrics = createMetrics()
  const ingest = createIngest({
    connections: [{ config, source, vendorNow: async () => (typeof now === 'number' ? now : now()) }],
    store,
    eventLog,
    owner: 'one',
    clock: { ...time, sleep: (ms, until) => time.sleep(ms / hurry, until) },
    log,
    metrics,
  })
  /** An order is asked for, as a webhook or a person does. */
  const ask = (orderId: string, announced = false) =>
    readAgain({ store, ingest, clock: time }, 'shop', orderId, { announced })
  return { ingest, requests, created, fetches, lines, metrics, ask }
}

export const history = async () =>
  (await store.events.list({}, { limit: 250 })).map(({ body }) => OrderEvent.parse(JSON.parse(body)))
export const gists = async () => (await history()).map(event => `${event.data.orderId} ${gist(event)}`)
