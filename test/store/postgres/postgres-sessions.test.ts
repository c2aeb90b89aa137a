import { chmod, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { openPostgres } from '../../../src/store/postgres/postgres.ts'
import type { Store } from '../../../src/store/store.ts'
import { type PostgresServer, startPostgres, startPostgresAt } from '../../helpers/postgres.ts'
import { temporaryFolder } from '../../helpers/temp.ts'

const clock = systemClock()
const server = await startPostgres()
afterAll(() => server?.stop(), 60_000)

async function admin<T extends pg.QueryResultRow>(url: string, ...texts: string[]): Promise<T[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  let rows: T[] = []
  try {
    for (const text of texts) rows = (await client.query<T>(text)).rows
  } finally {
    await client.end()
  }
  return rows
}

const OURS = `from pg_stat_activity where datname = current_database() and application_name = 'orderwire'`
const sessionsOf = async (url: string) => (await admin<{ pid: number }>(url, `select pid ${OURS}`)).map(row => row.pid)

const failureOf = (call: Promise<unknown>): Promise<AppError | null> =>
  call.then(
    () => null,
    error => {
      if (error instanceof AppError) return error
      throw error
    },
  )

describe.skipIf(!server)('sessions with PostgreSQL', () => {
  const newDatabase = async () => (await server?.newDatabase()) ?? ''
  const withStore = async (
    options: { url: string; poolSize?: number; sessionAgeMs?: number },
    run: (store: Store) => Promise<void>,
  ) => {
    const store = await openPostgres({ clock, ...options })
    await run(store).finally(() => store.close())
  }
  const fill = (store: Store, count: number) =>
    Promise.all(Array.from({ length: count }, (_, index) => store.offsets.set(`g${index}`, 0, 1)))

  test('all sessions that turned read-only are replaced after one failed call', async () => {
    const url = await newDatabase()
    const name = new URL(url).pathname.slice(1)
    await withStore({ url, poolSize: 6 }, async store => {
      await admin(
        url,
        `alter database ${name} set default_transaction_read_only = on`,
        `select pg_terminate_backend(pid) ${OURS}`,
      )
      await vi.waitFor(() => Promise.all(Array.from({ length: 12 }, () => store.events.last())), { timeout: 60_000 })
      expect((await sessionsOf(url)).length).toBeGreaterThan(1)
      await admin(url, 'begin read write', `alter database ${name} reset default_transaction_read_only`, 'commit')
      expect(await failureOf(store.offsets.set('g', 0, 1))).toMatchObject({ code: 'store.read_only', intent: 'retry' })
      await fill(store, 12)
      expect(await store.offsets.get('g11', 0)).toBe(1)
    })
  })

  test('a session that is still in a transaction when it is given back is not used again', async () => {
    const url = await newDatabase()
    await withStore({ url, poolSize: 1 }, async store => {
      await store.offsets.set('g', 0, 1)
      const before = await sessionsOf(url)
      const { query } = pg.Client.prototype
      let lost = 0
      vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
        // The end of the transaction never reaches the server.
        if (args[0] === 'commit' && lost++ === 0) return Promise.resolve({ rows: [] })
        return Reflect.apply(query, this, args)
      })
      await store.offsets.set('g', 0, 2)
      vi.restoreAllMocks()
      expect(lost).toBe(1)
      await store.offsets.set('g', 0, 3)
      const after = await sessionsOf(url)
      expect(after).toHaveLength(1)
      expect(after).not.toEqual(before)
      expect(await store.offsets.get('g', 0)).toBe(3)
    })
  })

  test('a session is used for a limited time', async () => {
    const url = await newDatabase()
    await withStore({ url, poolSize: 1, sessionAgeMs: 40 }, async store => {
      await store.offsets.set('g', 0, 1)
      const [first] = await sessionsOf(url)
      await vi.waitFor(
        async () => {
          await store.offsets.set('g', 0, 2)
          expect(await sessionsOf(url)).not.toContain(first)
        },
        { timeout: 60_000 },
      )
    })
  })

  test('no more sessions are opened than the pool may have, and calls wait for one', async () => {
    const url = await newDatabase()
    await withStore({ url, poolSize: 2 }, async store => {
      await fill(store, 40)
      expect((await sessionsOf(url)).length).toBeLessThanOrEqual(2)
      expect(await store.offsets.get('g39', 0)).toBe(1)
    })
  })

  test('with one session the store still works', async () => {
    const url = await newDatabase()
    await withStore({ url, poolSize: 1 }, async store => {
      await fill(store, 10)
      expect(await store.verify.offsets()).toHaveLength(10)
    })
  })

  test('a database in another encoding is refused with what to do, and nothing in it is touched', async () => {
    const base = await newDatabase()
    const name = `${new URL(base).pathname.slice(1)}_ascii`
    await admin(base, `create database ${name} encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0`)
    const url = new URL(base)
    url.pathname = `/${name}`
    const error = await failureOf(openPostgres({ url: url.href, clock }))
    const tables = await admin(url.href, `select 1 from pg_tables where schemaname = 'public'`)
    await admin(base, `drop database ${name} with (force)`)
    expect(error).toMatchObject({ code: 'store.encoding', intent: 'fix' })
    expect(error?.message).toMatch(/SQL_ASCII; expected UTF8.*CREATE DATABASE .* ENCODING 'UTF8'/)
    expect(tables).toEqual([])
  })
})

describe('several hosts in DATABASE_URL', () => {
  interface Place {
    readonly server: PostgresServer
    readonly folder: string
    readonly address: string
  }
  const cleanUps: (() => Promise<void>)[] = []
  afterAll(async () => {
    for (const cleanUp of cleanUps) await cleanUp()
  })

  async function place(): Promise<Place | null> {
    const folder = await temporaryFolder()
    // The server runs as another user where we are root.
    await chmod(folder.path, 0o755)
    const own = await startPostgresAt(folder.path)
    cleanUps.push(async () => {
      await own?.stop()
      await folder.remove()
    })
    if (!own) return null
    await admin(own.url, 'create database shop')
    return { server: own, folder: folder.path, address: new URL(own.url).host }
  }
  const urlOf = (hosts: readonly string[], query = '') => `postgres://postgres@${hosts.join(',')}/shop${query}`

  /** Starts it again as what a failover leaves behind: a standby that can be read. */
  async function demote({ server: own, folder }: Place): Promise<void> {
    await writeFile(join(folder, 'data', 'standby.signal'), '')
    await own.restart?.()
  }
  const promote = ({ server: own }: Place) => admin(own.url, 'select pg_promote()')

  async function silent(): Promise<{ address: string; server: Server }> {
    // Accepts and never answers.
    const listener = createServer(() => {})
    await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
    const address = listener.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    cleanUps.push(async () => void listener.close())
    return { address: `127.0.0.1:${address.port}`, server: listener }
  }

  test('a session goes to the first host that accepts writes, past one that is down, one that is silent and a standby', async context => {
    const [one, two] = [await place(), await place()]
    if (!one || !two) return context.skip('no PostgreSQL of our own')
    for (const { address } of [one, two]) await (await openPostgres({ url: urlOf([address]), clock })).close()
    await demote(one)

    const hosts = ['127.0.0.1:1', (await silent()).address, one.address, two.address]
    const store = await openPostgres({ url: urlOf(hosts, '?connect_timeout=2'), clock })
    await store.offsets.set('g', 0, 1)
    expect(await admin(urlOf([two.address]), 'select position::int from offsets')).toEqual([{ position: 1 }])
    expect(await store.check()).toContain(one.address)

    // A failover while the store is open: the other one is the primary now.
    await promote(one)
    await demote(two)
    await vi.waitFor(() => store.offsets.set('g', 0, 2), { timeout: 20_000, interval: 100 })
    expect(await admin(urlOf([one.address]), 'select position::int from offsets')).toEqual([{ position: 2 }])
    await store.close()
  })

  test('target_session_attrs decides, and the error names all hosts if none fits', async context => {
    const [one, two] = [await place(), await place()]
    if (!one || !two) return context.skip('no PostgreSQL of our own')
    for (const { address } of [one, two]) await (await openPostgres({ url: urlOf([address]), clock })).close()
    await admin(one.server.url, 'alter database shop set default_transaction_read_only = on')

    // Not a standby, but read-only by default.
    const primary = await openPostgres({
      url: urlOf([two.address, one.address], '?target_session_attrs=primary'),
      clock,
    })
    await primary.offsets.set('g', 0, 1)
    await primary.close()
    const wantsWrites = await openPostgres({
      url: urlOf([one.address, two.address], '?target_session_attrs=read-write'),
      clock,
    })
    await wantsWrites.offsets.set('g', 0, 2)
    await wantsWrites.close()
    expect(await admin(urlOf([two.address]), 'select position::int from offsets')).toEqual([{ position: 2 }])

    await admin(two.server.url, 'alter database shop set default_transaction_read_only = on')
    const error = await failureOf(openPostgres({ url: urlOf([one.address, two.address]), clock }))
    expect(error).toMatchObject({ intent: 'retry' })
    expect(error?.message).toContain(one.address)
    expect(error?.message).toContain(two.address)
    expect(error?.message).toContain('accepts no writes')
  })
})
