import { randomUUID } from 'node:crypto'
import { createServer } from 'node:net'
import pg from 'pg'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { SCHEMA_VERSION } from '../../../src/store/migrations/migrate.ts'
import { openPostgres } from '../../../src/store/postgres/postgres.ts'
import type { Store } from '../../../src/store/store.ts'
import { backlogOf, leaseOf, NOW, order, page, remember, spilled } from '../../contract/store/world.ts'
import { eventsOf } from '../../helpers/event-records.ts'
import { startOwnPostgres, startPostgres } from '../../helpers/postgres.ts'

const clock = systemClock()
const server = await startPostgres()

async function refusal(url: string): Promise<AppError> {
  try {
    await (await openPostgres({ url, clock })).close()
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('the store opened')
}

async function onePort(): Promise<number> {
  const listener = createServer()
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  await new Promise(resolve => listener.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}

describe('opening a PostgreSQL store', () => {
  test('an unreachable server is an error to retry, with host and port and without the password', async () => {
    const port = await onePort()
    const error = await refusal(`postgres://user:hush-hush@127.0.0.1:${port}/x`)
    expect(error).toMatchObject({ code: 'store.unreachable', intent: 'retry' })
    expect(error.message).toContain(`127.0.0.1:${port}`)
    expect(error.message).not.toContain('hush')
  })

  test('an address that is no URL is wrong configuration, and is not part of the message', async () => {
    const error = await refusal('user:hush-hush@nowhere')
    expect(error.intent).not.toBe('retry')
    expect(error.message).not.toContain('hush')
  })
})

describe.skipIf(!server)('a PostgreSQL store', () => {
  afterAll(() => server?.stop(), 60_000)
  const newDatabase = async () => (await server?.newDatabase()) ?? ''
  const admin = async <T extends pg.QueryResultRow>(url: string, text: string): Promise<T[]> => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query<T>(text)).rows
    } finally {
      await client.end()
    }
  }
  const withStores = async (url: string, count: number, run: (stores: Store[]) => Promise<void>) => {
    const stores = await Promise.all(Array.from({ length: count }, () => openPostgres({ url, clock, poolSize: 4 })))
    try {
      await run(stores)
    } finally {
      await Promise.all(stores.map(store => store.close()))
    }
  }

  test('many processes may open an empty database at once; the schema is made once', async () => {
    const url = await newDatabase()
    await withStores(url, 8, async stores => {
      for (const store of stores) expect(await store.check()).toMatch(/^PostgreSQL \d+/)
    })
    expect(await admin(url, 'select count(*)::int as count from schema_version')).toEqual([{ count: SCHEMA_VERSION }])
  })

  test('a schema newer than the program is refused', async () => {
    const url = await newDatabase()
    await withStores(url, 1, async () => {})
    await admin(url, 'insert into schema_version (version, at) values (99, 0)')
    expect(await refusal(url)).toMatchObject({ code: 'store.schema_newer', intent: 'fix' })
  })

  test('a missing database or user is an error for a person to fix', async () => {
    const url = new URL(await newDatabase())
    url.pathname = '/none'
    expect(await refusal(url.href)).toMatchObject({ code: 'store.refused', intent: 'fix' })
  })

  test('connections have an application name', async () => {
    const url = await newDatabase()
    await withStores(url, 1, async ([store]) => {
      await store?.check()
      const rows = await admin<{ name: string }>(
        url,
        `select distinct application_name as name from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      )
      expect(rows).toEqual([{ name: 'orderwire' }])
    })
  })

  test('calls fail with an error to retry while connections are cut, and work again afterwards', async () => {
    const url = await newDatabase()
    await withStores(url, 1, async ([store]) => {
      if (!store) return
      await store.offsets.set('g', 0, 1)
      const failures: unknown[] = []
      for (let round = 0; round < 5; round++) {
        const calls = Array.from({ length: 8 }, (_, index) =>
          store.offsets.set(`g${index}`, round, 1).catch(error => failures.push(error)),
        )
        await admin(
          url,
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
        )
        await Promise.all(calls)
      }
      for (const failure of failures) expect(failure).toMatchObject({ code: 'store.unreachable', intent: 'retry' })
      await vi.waitFor(() => store.offsets.set('after', 0, 7), { timeout: 60_000 })
      expect(await store.offsets.get('after', 0)).toBe(7)
      expect(await store.offsets.get('g', 0)).toBe(1)
    })
  })

  test('a restarted server is used again', async context => {
    const own = await startOwnPostgres()
    if (!own?.restart) return context.skip('the server is not ours')
    try {
      await withStores(await own.newDatabase(), 1, async ([store]) => {
        await store?.offsets.set('g', 0, 1)
        await own.restart?.()
        await vi.waitFor(async () => expect(await store?.offsets.get('g', 0)).toBe(1), { timeout: 60_000 })
      })
    } finally {
      await own.stop()
    }
  })

  test('a lease cannot change hands while its holder commits', async () => {
    const url = await newDatabase()
    await withStores(url, 2, async ([ours, theirs]) => {
      if (!ours || !theirs) return
      const epochs: number[] = []
      let commits = 0
      // Each takes the lease as soon as it can, commits under it, and loses it at any time.
      const work = async (store: Store, owner: string) => {
        for (let round = 0; round < 30; round++) {
          const lease = await store.leases.acquire('work', owner, 1, NOW)
          if (!lease) continue
          const events = eventsOf(randomUUID(), 1)
          try {
            await store.orders.commit(lease, page({ orders: [order('shared', { observedAt: lease.epoch })], events }))
            commits++
            epochs.push((await store.orders.get('shop', 'shared'))?.observedAt ?? 0)
          } catch (error) {
            expect(error).toMatchObject({ code: 'store.lease_lost' })
          }
        }
      }
      await Promise.all([work(ours, 'us'), work(theirs, 'them')])
      expect(await ours.events.count({})).toBe(commits)
      expect(commits).toBeGreaterThan(0)
      // What a later holder wrote is never overwritten by an earlier one.
      expect((await ours.orders.get('shop', 'shared'))?.observedAt).toBe(Math.max(...epochs))
    })
  })

  test('with two committing processes no event appears behind one that was read', async () => {
    const url = await newDatabase()
    await withStores(url, 3, async ([one, two, reader]) => {
      if (!one || !two || !reader) return
      let writing = true
      const seen: string[] = []
      const tail = async () => {
        let after = 0
        for (let last = false; !last; ) {
          last = !writing
          const events = await reader.events.list({}, { limit: 1000, after })
          seen.push(...events.map(event => event.id))
          after = events.at(-1)?.n ?? after
        }
      }
      const write = async (store: Store, name: string) => {
        const lease = await leaseOf(store, `ingest:${name}`, name)
        for (let round = 0; round < 40; round++)
          await Promise.all(
            [0, 1].map(half => store.orders.commit(lease, page({ events: eventsOf(`${name}-${round}-${half}`, 3) }))),
          )
      }
      const reading = tail()
      await Promise.all([write(one, 'one'), write(two, 'two')])
      writing = false
      await reading
      expect(seen).toHaveLength(480)
      expect(new Set(seen).size).toBe(480)
    })
  })

  test('processes that spill, deliver, dead-letter, redrive and prune the same lanes leave a row exactly where something waits', async () => {
    const url = await newDatabase()
    await withStores(url, 3, async stores => {
      const [store] = stores
      if (!store) return
      const orders = ['a', 'b', 'c', 'd', 'e']
      const events = orders.flatMap(orderId => eventsOf(orderId, 12, { observedAt: NOW }))
      await remember(store, events)
      let seed = 7
      const random = (below: number) => {
        seed = (seed * 48_271) % 0x7fffffff
        return seed % below
      }
      const act = async (which: Store) => {
        const chosen = Array.from({ length: 1 + random(6) }, () => events[random(events.length)] ?? events[0]).filter(
          event => event !== undefined,
        )
        const [event] = chosen
        if (!event) return
        const kind = random(6)
        if (kind <= 1) return which.lanes.spill(spilled('billing', chosen), { nextAt: NOW, attempt: 0 })
        if (kind <= 3)
          return which.lanes.delivered(
            'billing',
            chosen.map(item => ({ orderKey: item.orderKey, eventIds: [item.id] })),
            NOW,
          )
        if (kind === 4)
          return which.lanes.deadLetter({
            destination: 'billing',
            orderKey: event.orderKey,
            eventId: event.id,
            at: NOW,
            attempts: 1,
            lastError: 'x',
            hold: random(2) === 0,
          })
        return which.deadLetters.redrive({ orderId: event.orderId }, NOW)
      }
      await Promise.all(
        stores.flatMap(which =>
          [0, 1].map(async () => {
            for (let step = 0; step < 60; step++) await act(which)
          }),
        ),
      )
      await store.prune(
        { events: NOW - 1, attempts: NOW, deadLetters: 0, reader: null, now: NOW },
        new AbortController().signal,
      )
      const keys = orders.map(orderId => `shop/${orderId}`)
      const existing = await store.lanes.existing('billing', keys)
      const holding = (await store.deadLetters.list({}, { limit: 1000 })).filter(letter => letter.holding)
      const held = new Set(holding.map(letter => letter.event.orderKey))
      for (const key of keys) {
        const waiting = await backlogOf(store, 'billing', key)
        expect(existing.has(key), key).toBe(waiting.length > 0)
        if (held.has(key))
          expect(waiting).toEqual(
            expect.arrayContaining(
              holding.filter(letter => letter.event.orderKey === key).map(letter => letter.event.id),
            ),
          )
      }
      const due = await store.lanes.due({ destination: 'billing', now: NOW, limit: 100, owned: null, skip: new Set() })
      expect(new Set(due.map(lane => lane.orderKey))).toEqual(new Set([...existing].filter(key => !held.has(key))))
    })
  })
})
