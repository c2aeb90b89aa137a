import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { createEmbeddedLog } from '../../src/event-log/embedded.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { EventRecord } from '../../src/order/event-record.ts'
import { openPostgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { type EventLogHarness, eventLogContract } from '../contract/event-log.ts'
import { eventsOf } from '../helpers/event-records.ts'
import { memoryLog } from '../helpers/kafka/log.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { openTestSqlite } from '../helpers/sqlite.ts'
import { temporaryFolder } from '../helpers/temp.ts'

const clock = systemClock()

/** Stores events as ingest does: committed together, published at once. */
async function storeEvents(store: Store, events: readonly EventRecord[]): Promise<void> {
  const lease = await store.leases.acquire('test', randomUUID(), 60_000, clock.now())
  if (!lease) throw new Error('the lease is free')
  await store.orders.commit(lease, { connection: 'shop', orders: [], events, published: true, quarantine: [] })
  await store.leases.release(lease)
}

async function openHarness(open: () => Promise<Store>, cleanUp: () => Promise<void>): Promise<EventLogHarness> {
  const store = await open()
  const log = createEmbeddedLog({ store, clock })
  const shut = async () => {
    await log.close()
    await store.close()
  }
  return {
    log,
    publish: async events => {
      await storeEvents(store, events)
      await log.append(events)
    },
    reopen: async () => {
      await shut()
      return openHarness(open, cleanUp)
    },
    close: async () => {
      await shut()
      await cleanUp()
    },
  }
}

eventLogContract('embedded, on SQLite', async () => {
  const folder = await temporaryFolder()
  return openHarness(() => openTestSqlite({ folder: folder.path, clock }), folder.remove)
})

const server = await startPostgres()
afterAll(() => server?.stop(), 60_000)

describe.skipIf(!server)('PostgreSQL', () => {
  eventLogContract('embedded, on PostgreSQL', async () => {
    const url = (await server?.newDatabase()) ?? ''
    return openHarness(
      () => openPostgres({ url, clock, poolSize: 3 }),
      async () => {},
    )
  })
})

describe('embedded log', () => {
  async function setUp() {
    const folder = await temporaryFolder()
    const store = await openTestSqlite({ folder: folder.path, clock })
    return {
      store,
      folder: folder.path,
      cleanUp: async () => {
        await store.close()
        await folder.remove()
      },
    }
  }
  const ignore = { assigned: async () => {}, revoked: async () => {} }
  const unreachable = () => new AppError('gone', { code: 'store.unreachable', intent: 'retry' })

  test('events that another process stored are found without being woken', async () => {
    const { store, cleanUp } = await setUp()
    const log = createEmbeddedLog({ store, clock })
    const taken: string[] = []
    await log.consume({
      ...ignore,
      group: 'g',
      onBatch: async (_, entries) => void taken.push(...entries.map(e => e.event.id)),
    })
    await storeEvents(store, eventsOf('a', 2))
    await vi.waitFor(() => expect(taken).toHaveLength(2), { timeout: 60_000 })
    await log.close()
    await cleanUp()
  })

  test('while the store cannot be reached the log says so, and continues when it can', async () => {
    const { store, cleanUp } = await setUp()
    await storeEvents(store, eventsOf('a', 2))
    let broken = true
    const list: Store['events']['list'] = async (...question) => {
      if (broken) throw unreachable()
      return store.events.list(...question)
    }
    const log = createEmbeddedLog({ store: { ...store, events: { ...store.events, list } }, clock })
    const taken: string[] = []
    await log.consume({
      ...ignore,
      group: 'g',
      onBatch: async (_, entries) => void taken.push(...entries.map(e => e.event.id)),
    })
    await vi.waitFor(() => expect(log.health()).toMatch(/cannot read events: gone/), { timeout: 60_000 })
    expect(taken).toEqual([])
    broken = false
    await vi.waitFor(() => expect(taken).toHaveLength(2), { timeout: 60_000 })
    expect(log.health()).toBeNull()
    await log.close()
    await cleanUp()
  })

  /** Consumes and commits at once; what was taken, and what happened to the partition. */
  async function reading(log: ReturnType<typeof createEmbeddedLog>) {
    const [taken, happened]: [string[], string[]] = [[], []]
    const consumption = await log.consume({
      group: 'g',
      assigned: async () => void happened.push('assigned'),
      revoked: async () => void happened.push('revoked'),
      onBatch: async (partition, entries) => {
        taken.push(...entries.map(({ event }) => event.id))
        consumption.committable(partition, entries.at(-1)?.position ?? 0)
      },
    })
    return { taken, happened }
  }

  test('a history restored below the position is read from its beginning, with one warning', async () => {
    const { store, cleanUp } = await setUp()
    await storeEvents(store, eventsOf('a', 3))
    await store.offsets.set('g', 0, 99)
    const { log: logger, lines } = memoryLog()
    const log = createEmbeddedLog({ store, clock, log: logger })
    const { taken, happened } = await reading(log)
    await vi.waitFor(() => expect(taken).toEqual(eventsOf('a', 3).map(({ id }) => id)), { timeout: 60_000 })
    expect(happened).toEqual(['assigned'])
    expect(lines.filter(({ msg }) => msg.startsWith('The event log went back'))).toHaveLength(1)
    expect(log.notice()).toMatch(/^The event log went back: the history ends below 99/)
    await vi.waitFor(async () => expect(await store.offsets.get('g', 0)).toBe(await store.events.last()), {
      timeout: 60_000,
    })
    await log.close()
    await cleanUp()
  })

  test('a history restored while it is read is noticed, and none of its next events is skipped', async () => {
    const { store, folder, cleanUp } = await setUp()
    await storeEvents(store, eventsOf('a', 6))
    const log = createEmbeddedLog({ store, clock })
    const { taken, happened } = await reading(log)
    await vi.waitFor(() => expect(taken).toHaveLength(6), { timeout: 60_000 })
    await vi.waitFor(async () => expect(await store.offsets.get('g', 0)).toBe(6), { timeout: 60_000 })
    const database = new DatabaseSync(join(folder, 'orderwire.db'))
    database.exec(`delete from events where n > 2; update sqlite_sequence set seq = 2 where name = 'events'`)
    database.close()
    await storeEvents(store, eventsOf('b', 2))
    const expected = [...eventsOf('a', 2), ...eventsOf('b', 2)].map(({ id }) => id)
    await vi.waitFor(() => expect(taken.slice(6)).toEqual(expected), { timeout: 60_000 })
    expect(happened).toEqual(['assigned', 'revoked', 'assigned'])
    await vi.waitFor(async () => expect(await store.offsets.get('g', 0)).toBe(4), { timeout: 60_000 })
    await log.close()
    await cleanUp()
  })

  test('a history emptied by retention does not count as restored', async () => {
    const { store, folder, cleanUp } = await setUp()
    await storeEvents(store, eventsOf('a', 3))
    const log = createEmbeddedLog({ store, clock })
    const { taken, happened } = await reading(log)
    await vi.waitFor(async () => expect(await store.offsets.get('g', 0)).toBe(3), { timeout: 60_000 })
    const database = new DatabaseSync(join(folder, 'orderwire.db'))
    database.exec('delete from events')
    database.close()
    await log.append([])
    await storeEvents(store, eventsOf('b', 1))
    await log.append([])
    await vi.waitFor(() => expect(taken).toHaveLength(4), { timeout: 60_000 })
    expect([happened, log.notice()]).toEqual([['assigned'], null])
    await log.close()
    await cleanUp()
  })

  test('an append is read once, and one that comes while events are taken in is not left until the idle time is over', async () => {
    const { store, cleanUp } = await setUp()
    await storeEvents(store, eventsOf('a', 1))
    const list = vi.fn<Store['events']['list']>((...asked) => store.events.list(...asked))
    const log = createEmbeddedLog({ store: { ...store, events: { ...store.events, list } }, clock })
    const taken: string[] = []
    await log.consume({
      ...ignore,
      group: 'g',
      onBatch: async (_, entries) => {
        taken.push(...entries.map(({ event }) => event.orderId))
        if (!taken.includes('a') || taken.includes('meanwhile')) return
        await storeEvents(store, eventsOf('meanwhile', 1))
        await log.append([])
      },
    })
    await vi.waitFor(() => expect(taken).toEqual(['a', 'meanwhile']), { timeout: 4_000 })
    const before = list.mock.calls.length
    for (const orderId of ['b', 'c', 'd']) {
      await storeEvents(store, eventsOf(orderId, 1))
      await log.append([])
      await vi.waitFor(() => expect(taken.at(-1)).toBe(orderId), { timeout: 60_000 })
    }
    expect(list.mock.calls.length - before).toBe(3)
    await log.close()
    await cleanUp()
  })

  test('a position that could not be written is written later', async () => {
    const { store, cleanUp } = await setUp()
    await storeEvents(store, eventsOf('a', 2))
    let failures = 0
    const set: Store['offsets']['set'] = async (...values) => {
      if (failures++ === 0) throw unreachable()
      return store.offsets.set(...values)
    }
    const log = createEmbeddedLog({ store: { ...store, offsets: { ...store.offsets, set } }, clock })
    const reading = await log.consume({
      ...ignore,
      group: 'g',
      onBatch: async (partition, entries) => reading.committable(partition, entries.at(-1)?.position ?? 0),
    })
    await vi.waitFor(() => expect(log.health()).toMatch(/cannot write its position: gone/), { timeout: 60_000 })
    await vi.waitFor(async () => expect(await store.offsets.get('g', 0)).toBe(await store.events.last()), {
      timeout: 60_000,
    })
    expect(log.health()).toBeNull()
    await log.close()
    await cleanUp()
  })

  test('a batch that could not be handed over is handed over again, and nothing before it', async () => {
    const { store, cleanUp } = await setUp()
    await storeEvents(store, eventsOf('a', 3))
    const log = createEmbeddedLog({ store, clock })
    const calls: string[][] = []
    await log.consume({
      ...ignore,
      group: 'g',
      onBatch: async (_, entries) => {
        calls.push(entries.map(entry => entry.event.id))
        if (calls.length === 1) throw new AppError('not now', { code: 'test.busy', intent: 'retry' })
      },
    })
    await vi.waitFor(() => expect(calls).toHaveLength(2), { timeout: 60_000 })
    expect(calls[1]).toEqual(calls[0])
    await log.close()
    await cleanUp()
  })

  test('stopping does not wait for a consumer that hangs', async () => {
    const { store, cleanUp } = await setUp()
    await storeEvents(store, eventsOf('a', 1))
    const log = createEmbeddedLog({ store, clock })
    let busy = false
    const reading = await log.consume({
      ...ignore,
      group: 'g',
      onBatch: () => {
        busy = true
        return new Promise(() => {})
      },
    })
    await vi.waitFor(() => expect(busy).toBe(true), { timeout: 60_000 })
    await reading.stop()
    await log.close()
    await cleanUp()
  })

  test('a reader that is stopped while it waits for another does not block the next one', async () => {
    const { store, cleanUp } = await setUp()
    await storeEvents(store, eventsOf('a', 1))
    const log = createEmbeddedLog({ store, clock })
    const taken: string[] = []
    const take = (name: string) => ({ ...ignore, group: 'g', onBatch: async () => void taken.push(name) })
    const first = await log.consume(take('first'))
    const second = await log.consume(take('second'))
    await log.consume(take('third'))
    await second.stop()
    await vi.waitFor(() => expect(taken).toEqual(['first']), { timeout: 60_000 })
    await first.stop()
    await vi.waitFor(() => expect(taken).toEqual(['first', 'third']), { timeout: 60_000 })
    await log.close()
    await cleanUp()
  })

  test('more events than a batch holds come in batches that grow to at most 500, all of them', async () => {
    const { store, cleanUp } = await setUp()
    await storeEvents(store, eventsOf('a', 1203))
    const log = createEmbeddedLog({ store, clock })
    const sizes: number[] = []
    await log.consume({ ...ignore, group: 'g', onBatch: async (_, entries) => void sizes.push(entries.length) })
    await vi.waitFor(() => expect(sizes).toEqual([16, 32, 64, 128, 256, 500, 207]), { timeout: 60_000 })
    await log.close()
    await cleanUp()
  })
})
