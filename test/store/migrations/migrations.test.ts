import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { oneFence } from '../../../src/store/migrations/0013-one-fence.ts'
import { MIGRATIONS } from '../../../src/store/migrations/list.ts'
import type { Store } from '../../../src/store/store.ts'
import { eventRecord } from '../../helpers/event-records.ts'
import { startPostgres } from '../../helpers/postgres.ts'
import { temporaryFolder } from '../../helpers/temp.ts'
import { PRESENT, upTo } from './next-step.ts'

// After the next step is in the list, which they read.
const { openPostgres } = await import('../../../src/store/postgres/postgres.ts')
const { openSqlite } = await import('../../../src/store/sqlite/sqlite.ts')

const clock = systemClock()
const server = await startPostgres()
afterAll(() => server?.stop(), 60_000)

interface Place {
  readonly target: string
  open(): Promise<Store>
  /** Rows of the database itself. */
  rows(statement: string): Promise<Record<string, unknown>[]>
}

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const places: Record<string, (() => Promise<Place>) | null> = {
  SQLite: async () => {
    const folder = await temporaryFolder()
    cleanups.push(folder.remove)
    return {
      target: folder.path,
      open: () => openSqlite({ folder: folder.path, clock }),
      async rows(statement) {
        const database = new DatabaseSync(join(folder.path, 'orderwire.db'))
        const rows = database.prepare(statement).all()
        database.close()
        return rows.map(row => ({ ...row }))
      },
    }
  },
  PostgreSQL:
    server &&
    (async () => {
      const url = await server.newDatabase()
      return {
        target: url,
        open: () => openPostgres({ url, clock }),
        async rows(statement) {
          const client = new pg.Client({ connectionString: url })
          await client.connect()
          const { rows } = await client.query(statement)
          await client.end()
          return rows
        },
      }
    }),
}

async function stopped(target: string, how: 'die' | 'hold', where: string): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'migrate-and-stop.ts')
  const child = spawn(process.execPath, [script, target, how, where], { stdio: ['ignore', 'pipe', 'inherit'] })
  cleanups.push(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  const [said] = await Promise.race([once(child.stdout, 'data'), ended])
  expect(String(said), `it ended before ${where}`).toBe('stopped\n')
  if (how === 'die') expect(await ended).toEqual([null, 'SIGKILL'])
  return child
}

const versions = 'select cast(version as integer) as version from schema_version order by version'
const upToVersion = (last: number) => Array.from({ length: last }, (_, index) => ({ version: index + 1 }))
/** The present version with something in it. */
const presentVersion = (place: Place) =>
  upTo(PRESENT, async () => {
    const store = await place.open()
    await store.offsets.set('group', 0, 42)
    await store.close()
  })

async function expectNextVersion(place: Place): Promise<void> {
  expect(await place.rows(versions)).toEqual(upToVersion(PRESENT + 1))
  expect(await place.rows('select cast(n as integer) as n, about from notes')).toEqual([{ n: 42, about: 'group' }])
  expect(await place.rows('select note from offsets')).toEqual([{ note: 'group' }])
}

describe.each(Object.keys(places))('migrations on %s', name => {
  const make = places[name]

  test.skipIf(!make).each([
    ['as it was at first', 'select 1'],
    ['with a column more', 'alter table offsets add column epoch integer not null default 3'],
  ])('from the first, %s: positions stay, and endpoints keep the secret that signs along', async (_, change) => {
    const at = (await make?.()) as Place
    await upTo(1, async () => (await at.open()).close())
    await at.rows(change)
    await at.rows(`insert into offsets (group_id, partition, position) values ('group', 0, 42)`)
    await at.rows(
      `insert into endpoints (id, url, secret, previous_secret, previous_valid_until, state, declared, created_at, updated_at)
      values ('a', 'https://example.com/', 'new', 'old', 5, 'active', 0, 1, 1), ('b', 'https://example.com/', 'only', null, null, 'active', 0, 1, 1)`,
    )
    const store = await at.open()
    expect((await store.endpoints.list()).map(({ id, formerSecrets }) => [id, formerSecrets])).toEqual([
      ['a', [{ secret: 'old', until: 5 }]],
      ['b', []],
    ])
    expect(await store.offsets.get('group', 0)).toBe(42)
    await store.offsets.set('group', 0, 43)
    expect(await store.offsets.get('group', 0)).toBe(43)
    await store.close()
  })

  test.skipIf(!make)('with claims of partitions: they become leases, which know of each former owner', async () => {
    const at = (await make?.()) as Place
    const before = MIGRATIONS.indexOf(oneFence)
    await upTo(before, async () => (await at.open()).close())
    await at.rows(
      `insert into claims (group_id, partition, number, epoch) values ('group', 0, 4, 2), ('group', 1, 1, null)`,
    )
    await at.rows(
      `insert into offsets (group_id, partition, position, epoch, ahead) values ('group', 0, 42, 2, 'beyond')`,
    )
    const store = await at.open()
    expect([await store.offsets.get('group', 0), await store.offsets.ahead('group', 0)]).toEqual([42, 'beyond'])
    const leases = await Promise.all([0, 1, 2].map(n => store.leases.takeOver(`partition/group/${n}`, 'group')))
    expect(leases.map(({ epoch }) => epoch)).toEqual([5, 2, 1])
    await store.close()
  })
  test.skipIf(!make)(
    'from version 11: events without a time of publication are still to be published, the others are not',
    async () => {
      const at = (await make?.()) as Place
      await upTo(11, async () => (await at.open()).close())
      const row = (n: number, connection: string, publishedAt: number | null) =>
        `('evt_${n}', 'order.paid', '${connection}', 'o${n}', '${connection}/o${n}', 1, 1, 'vendor', ${n}, ${publishedAt}, '{"n":${n}}')`
      await at.rows(
        `insert into events (id, type, connection, order_id, order_key, sequence, occurred_at, occurred_at_source, observed_at, published_at, body)
      values ${[row(1, 'a', 5), row(2, 'a', null), row(3, 'b', null), row(4, 'a', null), row(5, 'b', 5)].join(', ')}`,
      )
      const store = await at.open()
      const idsOf = async (connection: string) => (await store.events.unpublished(connection, 10)).map(({ id }) => id)
      expect([await idsOf('a'), await idsOf('b')]).toEqual([['evt_2', 'evt_4'], ['evt_3']])
      expect(await store.verify.unpublished()).toEqual([
        { connection: 'a', count: 2, oldestObservedAt: 2 },
        { connection: 'b', count: 1, oldestObservedAt: 3 },
      ])
      expect((await store.events.list({}, { limit: 10 })).map(({ n, id, body }) => [n, id, body])).toEqual(
        [1, 2, 3, 4, 5].map(n => [n, `evt_${n}`, `{"n":${n}}`]),
      )
      // The next event gets a number that was never given.
      const lease = await store.leases.acquire('a', 'us', 60_000, clock.now())
      if (!lease) throw new Error('a new store gives every lease')
      const events = [eventRecord({ connection: 'a', orderId: 'new' })]
      await store.orders.commit(lease, { connection: 'a', orders: [], events, published: false, quarantine: [] })
      expect((await store.events.unpublished('a', 10)).map(({ n }) => n)).toEqual([2, 4, 6])
      await store.close()
    },
  )

  describe.skipIf(!make)('killed', () => {
    const place = async () => (await make?.()) as Place

    test.each(['25', 'commit'])(
      'at %s of the first: nothing is left of it, and the next start makes all',
      async where => {
        const at = await place()
        await stopped(at.target, 'die', where)
        const store = await at.open()
        await store.offsets.set('group', 0, 42)
        expect(await store.offsets.get('group', 0)).toBe(42)
        await store.close()
        expect(await at.rows(versions)).toEqual(upToVersion(PRESENT + 1))
      },
    )

    test.each(['5', '7', 'commit'])(
      'at %s of an upgrade: the data is of one version and whole, and the next start makes the other',
      async where => {
        const at = await place()
        await presentVersion(at)
        await stopped(at.target, 'die', where)
        expect(await at.rows(versions)).toEqual(upToVersion(PRESENT))
        expect(Object.keys((await at.rows('select * from offsets'))[0] ?? {})).not.toContain('note')
        expect(await at.rows('select 1 from poll_requests')).toEqual([])
        await (await at.open()).close()
        await expectNextVersion(at)
      },
    )

    test('right after the commit: the next start finds it done', async () => {
      const at = await place()
      await presentVersion(at)
      await stopped(at.target, 'die', 'committed')
      await expectNextVersion(at)
      await (await at.open()).close()
      await expectNextVersion(at)
    })

    test('while another waits for it: the other makes it', async () => {
      const at = await place()
      await presentVersion(at)
      const first = await stopped(at.target, 'hold', '5')
      if (name === 'SQLite') {
        await expect(at.open()).rejects.toMatchObject({ code: 'store.folder_in_use' })
        first.kill('SIGKILL')
        await once(first, 'exit')
        await (await at.open()).close()
      } else {
        const second = at.open()
        await vi.waitFor(async () =>
          expect(
            await at.rows(
              `select 1 from pg_stat_activity where wait_event = 'advisory' and datname = current_database()`,
            ),
          ).toHaveLength(1),
        )
        first.kill('SIGKILL')
        await (await second).close()
      }
      await expectNextVersion(at)
    })
  })
})

test.skipIf(!server)(
  'a connection cut in the middle of a migration is an error to retry, and the next start makes it',
  async () => {
    const at = (await places.PostgreSQL?.()) as Place
    await presentVersion(at)
    const send = pg.Client.prototype.query as (this: pg.Client, ...args: unknown[]) => unknown
    const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(async function (
      this: pg.Client,
      ...args: unknown[]
    ) {
      if (!String(args[0]).startsWith('insert into notes')) return send.apply(this, args)
      const killer = new pg.Client({ connectionString: at.target })
      await killer.connect()
      await send.call(
        killer,
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )
      await killer.end()
      return send.apply(this, args)
    } as never)
    await expect(at.open()).rejects.toMatchObject({ code: 'store.unreachable', intent: 'retry' })
    spy.mockRestore()
    expect(await at.rows(versions)).toEqual(upToVersion(PRESENT))
    await (await at.open()).close()
    await expectNextVersion(at)
  },
)
