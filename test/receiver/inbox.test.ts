import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createInbox,
  createMemoryStore,
  createSqlStore,
  type InboxStore,
  type Query,
} from '../../src/receiver/receiver.ts'
import { type PostgresServer, startPostgres } from '../helpers/postgres.ts'
import { sampleFolder, sampleWith, withOwnPackage } from '../helpers/samples.ts'

const event = (sequence: number, order = '1001') => ({
  id: `evt_${order}_${sequence}`,
  partitionkey: `shop/${order}`,
  sequence: String(sequence).padStart(10, '0'),
})

/** What every store promises; `newStore` makes an empty one. */
function inboxTests(newStore: () => Promise<InboxStore<unknown>>): void {
  test('runs the work of an event once, and calls it a repeat afterwards', async () => {
    const inbox = createInbox({ store: await newStore() })
    const seen: string[] = []
    const work = async () => void seen.push('ran')
    expect(await inbox.receive(event(1), work)).toEqual({ verdict: 'new' })
    expect(await inbox.receive(event(1), work)).toEqual({ verdict: 'repeat' })
    expect(seen).toEqual(['ran'])
  })

  test('reports a gap with the numbers that are missing, and the late events that fill it', async () => {
    const inbox = createInbox({ store: await newStore() })
    await inbox.receive(event(1))
    expect(await inbox.receive(event(4))).toEqual({ verdict: 'gap', missing: { from: 2, to: 3 } })
    expect(await inbox.receive(event(2))).toEqual({ verdict: 'late' })
    expect(await inbox.receive(event(5))).toEqual({ verdict: 'new' })
    expect(await inbox.receive(event(1, '1002'))).toEqual({ verdict: 'new' })
  })

  test('forgets an event whose work failed, so that it can come again', async () => {
    const inbox = createInbox({ store: await newStore() })
    const failing = inbox.receive(event(1), () => Promise.reject(new Error('no room')))
    await expect(failing).rejects.toThrow('no room')
    expect(await inbox.receive(event(1))).toEqual({ verdict: 'new' })
  })

  test('takes test deliveries, which belong to no order', async () => {
    const inbox = createInbox({ store: await newStore() })
    expect(await inbox.receive({ id: 'evt_test' })).toEqual({ verdict: 'new' })
    expect(await inbox.receive({ id: 'evt_test' })).toEqual({ verdict: 'repeat' })
  })
}

/** Two deliveries of one event at the same time. */
function concurrentTest(newStore: () => Promise<InboxStore<unknown>>): void {
  test('runs the work once when one event comes twice at the same time', async () => {
    const inbox = createInbox({ store: await newStore() })
    let runs = 0
    const work = async () => {
      runs++
      await new Promise(resolve => setImmediate(resolve))
    }
    const receipts = await Promise.all([inbox.receive(event(1), work), inbox.receive(event(1), work)])
    expect(receipts.map(({ verdict }) => verdict).sort()).toEqual(['new', 'repeat'])
    expect(runs).toBe(1)
  })
}

describe('an inbox in memory', () => {
  const newStore = async () => createMemoryStore()
  inboxTests(newStore)
  concurrentTest(newStore)

  test('forgets the oldest ids beyond its limit', async () => {
    const inbox = createInbox({ store: createMemoryStore({ limit: 2 }) })
    for (const n of [1, 2, 3]) await inbox.receive(event(n))
    expect((await inbox.receive(event(3))).verdict).toBe('repeat')
    expect((await inbox.receive(event(1))).verdict).toBe('late')
  })
})

describe('an inbox in SQLite', () => {
  inboxTests(async () => {
    const database = new DatabaseSync(':memory:')
    const query: Query = async (sql, parameters) => database.prepare(sql).all(...parameters)
    const store = createSqlStore({
      dialect: 'sqlite',
      async transaction(work) {
        database.exec('begin')
        try {
          const result = await work(query)
          database.exec('commit')
          return result
        } catch (error) {
          database.exec('rollback')
          throw error
        }
      },
    })
    await store.create()
    return store
  })
})

const server: PostgresServer | null = await startPostgres()
afterAll(() => server?.stop())

describe.skipIf(!server)('an inbox in PostgreSQL', () => {
  let pool: pg.Pool
  let tables = 0
  beforeAll(async () => {
    pool = new pg.Pool({ connectionString: await server?.newDatabase() })
  })
  afterAll(() => pool.end())

  async function newStore() {
    const store = createSqlStore({
      dialect: 'postgres',
      table: `inbox_${++tables}`,
      async transaction(work) {
        const client = await pool.connect()
        try {
          await client.query('begin')
          const result = await work(async (sql, parameters) => (await client.query(sql, [...parameters])).rows)
          await client.query('commit')
          return result
        } catch (error) {
          await client.query('rollback')
          throw error
        } finally {
          client.release()
        }
      },
    })
    await store.create()
    await store.create()
    return store
  }
  inboxTests(newStore)
  concurrentTest(newStore)

  test('as docs/receiving.md prints it runs the work of an event once, in the transaction of its store', async () => {
    const folder = await sampleFolder()
    const code = withOwnPackage(await sampleWith('docs/receiving.md', 'ts', 'new pg.Pool()'))
    const database = JSON.stringify({ connectionString: await server?.newDatabase() })
    const use = `
await pool.query('create table bookings (id text)')
for (const _ of [1, 2]) {
  const work = async query => { await query('insert into bookings values ($1)', ['x']) }
  console.log((await inbox.receive(${JSON.stringify(event(1))}, work)).verdict)
}
console.log((await pool.query('select count(*)::int as n from bookings')).rows[0].n)
await pool.end()
`
    await writeFile(join(folder.path, 'use.ts'), code.replace('new pg.Pool()', `new pg.Pool(${database})`) + use)
    const { stdout } = await promisify(execFile)(process.execPath, ['use.ts'], { cwd: folder.path })
    expect(stdout).toBe('new\nrepeat\n1\n')
    await folder.remove()
  })

  test('commits what the work writes together with the id, or neither', async () => {
    const store = await newStore()
    const inbox = createInbox({ store })
    await pool.query('create table bookings (event_id text)')
    const book = (id: string, fail: boolean) => async (query: Query) => {
      await query('insert into bookings values ($1)', [id])
      if (fail) throw new Error('killed')
    }
    await expect(inbox.receive(event(1), book('a', true))).rejects.toThrow('killed')
    await inbox.receive(event(1), book('b', false))
    expect((await pool.query('select event_id from bookings')).rows).toEqual([{ event_id: 'b' }])
  })

  test('forgets what was received before a given time', async () => {
    const store = await newStore()
    const inbox = createInbox({ store })
    await inbox.receive(event(1))
    await store.prune(Date.now() - 60_000)
    expect((await inbox.receive(event(1))).verdict).toBe('repeat')
    await store.prune(Date.now() + 60_000)
    expect((await inbox.receive(event(1))).verdict).toBe('new')
  })
})
