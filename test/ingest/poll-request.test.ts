import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { Connection } from '../../schemas/config.ts'
import { readAgain } from '../../src/api/read-again.ts'
import { createIngest, type Ingest } from '../../src/ingest/ingest.ts'
import { throughStore } from '../../src/ingest/poll-request.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { OrderSource } from '../../src/sources/source.ts'
import { openPostgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { quietLog } from '../helpers/quiet.ts'
import { type FeedScript, MINUTE_START, ordersUpdatedAt, scriptedFeed } from '../helpers/scripted-feed.ts'
import { paid, snapshot } from '../helpers/snapshots.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { unreadLog } from '../helpers/unread-log.ts'
import { until } from '../helpers/until.ts'

const clock = systemClock()
const signal = new AbortController().signal
const postgres = await startPostgres()
afterAll(() => postgres?.stop(), 60_000)

const stores = {
  async SQLite() {
    const folder = await temporaryFolder()
    const store = await openTestSqlite({ folder: folder.path, clock })
    return { store, close: () => store.close().then(folder.remove) }
  },
  async PostgreSQL() {
    const store = await openPostgres({ url: (await postgres?.newDatabase()) ?? '', clock })
    return { store, close: () => store.close() }
  },
}

describe.each(['SQLite', 'PostgreSQL'] as const)('two processes on one %s', kind => {
  const opened: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const close of opened.reverse()) await close()
    opened.length = 0
  })

  /** Two ingests as two processes have them; `asked` says who was asked by which. */
  async function pair(script: FeedScript, pollEvery = '1h') {
    const { store, close } = await stores[kind]()
    opened.push(close)
    await store.connections.configure([{ id: 'shop', vendor: 'shoplazza', fingerprint: 'f' }])
    const fetches: string[] = []
    const process = (owner: string): Ingest => {
      const { feed } = scriptedFeed(script)
      const source: OrderSource = {
        feed,
        fetch: async refs => {
          for (const { orderId } of refs) fetches.push(`${owner} ${orderId}`)
          return { orders: refs.map(({ orderId }) => snapshot({ orderId, paid: paid() })), rejects: [] }
        },
        check: async () => 'scripted',
      }
      const config = Connection.parse({
        id: 'shop',
        vendor: 'shoplazza',
        baseUrl: 'http://127.0.0.1:1/openapi/2022-01',
        accessToken: 't',
        pollEvery,
      })
      const connected = { config, source, vendorNow: async () => MINUTE_START + 60_000 }
      return createIngest({
        connections: [connected],
        store,
        eventLog: unreadLog,
        owner,
        shared: true,
        clock,
        log: quietLog,
        metrics: createMetrics(),
      })
    }
    const [holder, other] = [process('holder'), process('other')]
    return { store, holder, other, fetches }
  }

  /** Runs until the test ends. */
  function run(ingest: Ingest): () => Promise<void> {
    const stop = new AbortController()
    const running = ingest.run(stop.signal)
    const end = async () => {
      stop.abort()
      await running
    }
    opened.push(end)
    return end
  }

  const polled = (store: Store) =>
    until('the holder has polled', async () => (await store.connections.get('shop'))?.lastSuccessAt != null)

  test.skipIf(kind === 'PostgreSQL' && !postgres)(
    'a poll requested from the process without the lease runs in the process with it',
    async () => {
      const script: FeedScript = { rows: [] }
      const { store, holder, other } = await pair(script)
      run(holder)
      await polled(store)
      run(other)
      script.rows = ordersUpdatedAt([1, 2]).map(row => ({ ...row, paid: paid() }))
      const { orders, events, quarantined } = await other.poll('shop', { signal })
      expect([orders, events.length, quarantined]).toEqual([2, 2, 0])
      const stored = await store.events.list({}, { limit: 10 })
      expect(stored.map(({ n: _, ...event }) => event)).toEqual(events)
    },
  )

  test.skipIf(kind === 'PostgreSQL' && !postgres)(
    'a standby, and an API without ingest, get their polls the same way',
    async () => {
      const script: FeedScript = { rows: ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid() })) }
      const { store, holder, other, fetches } = await pair(script)
      run(holder)
      await polled(store)
      expect((await other.poll('shop', { signal, orderId: 'o-9' })).events).toHaveLength(1)
      expect(fetches).toEqual(['holder o-9'])
      const api = throughStore({ requests: store.pollRequests, clock })
      expect(await api.poll('shop', { signal, orderId: 'o-9' })).toMatchObject({ orders: 1, events: [] })
      expect(await api.poll('shop', { signal, dryRun: true })).toMatchObject({ orders: 1 })
    },
  )

  test.skipIf(kind === 'PostgreSQL' && !postgres)(
    'orders are read by the process with the lease, or by the asking process if there is none, and nothing is written',
    async () => {
      const { store, holder, other, fetches } = await pair({ rows: [] })
      const refs = [{ orderId: 'o-9', userId: null }]
      const read = { snapshots: [expect.objectContaining({ orderId: 'o-9' })], rejects: [] }
      expect(await other.read('shop', refs, signal)).toEqual(read)
      run(holder)
      await polled(store)
      expect(await other.read('shop', refs, signal)).toEqual(read)
      expect(await holder.read('shop', refs, signal)).toEqual(read)
      expect(fetches).toEqual(['other o-9', 'holder o-9', 'holder o-9'])
      expect(await store.orders.get('shop', 'o-9')).toBeNull()
    },
  )

  test.skipIf(kind === 'PostgreSQL' && !postgres)('the asking process gets the error of the other', async () => {
    const script: FeedScript = { rows: [] }
    const { store, holder, other } = await pair(script)
    run(holder)
    await polled(store)
    script.before = () => {
      throw new AppError('The vendor refused the token.', { code: 'vendor.unauthorized', intent: 'stop' })
    }
    await expect(other.poll('shop', { signal })).rejects.toMatchObject({
      message: 'The vendor refused the token.',
      code: 'vendor.unauthorized',
      intent: 'stop',
    })
  })

  test.skipIf(kind === 'PostgreSQL' && !postgres)(
    'a command polls a connection that nobody works, and releases its lease',
    async () => {
      const script: FeedScript = { rows: ordersUpdatedAt([1]).map(row => ({ ...row, paid: paid() })) }
      const { store, holder, other } = await pair(script)
      expect((await other.poll('shop', { signal })).events).toHaveLength(1)
      run(holder)
      await polled(store)
      expect((await holder.poll('shop', { signal })).orders).toBe(1)
    },
  )

  test.skipIf(kind === 'PostgreSQL' && !postgres)(
    'an announced order is read by the process with the lease until it shows a change, whichever process got the webhook (case 46)',
    async () => {
      const script: FeedScript = { rows: [] }
      const { store, holder, other, fetches } = await pair(script, '50ms')
      run(holder)
      await polled(store)
      run(other)
      await readAgain({ store, ingest: holder, clock }, 'shop', 'o-7', { announced: true })
      await readAgain({ store, ingest: other, clock }, 'shop', 'o-8', { announced: true })
      await until('both are read', async () => (await store.orderReads.upcoming('shop', 1)).length === 0)
      expect(fetches.toSorted()).toEqual(['holder o-7', 'holder o-8'])
    },
  )

  test.skipIf(kind === 'PostgreSQL' && !postgres)('requests do not pile up', async () => {
    const { store, holder, other } = await pair({ rows: [] })
    run(holder)
    await polled(store)
    await Promise.all(Array.from({ length: 5 }, () => other.poll('shop', { signal })))
    const gone = new AbortController()
    gone.abort()
    await expect(other.poll('shop', { signal: gone.signal })).rejects.toThrow('any more')
    expect(await store.pollRequests.take(['shop'], clock.now())).toEqual([])
  })
})
