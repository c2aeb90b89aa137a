import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Store } from '../../src/store/store.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { withoutSecond } from './second-step.ts'

// After the second step is in the list, which they read.
const { openPostgres } = await import('../../src/store/postgres.ts')
const { openSqlite } = await import('../../src/store/sqlite.ts')

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
/** The first version with something in it. */
const firstVersion = (place: Place) =>
  withoutSecond(async () => {
    const store = await place.open()
    await store.offsets.set('group', 0, 42)
    await store.close()
  })

async function expectSecondVersion(place: Place): Promise<void> {
  expect(await place.rows(versions)).toEqual([{ version: 1 }, { version: 2 }])
  expect(await place.rows('select cast(n as integer) as n, about from notes')).toEqual([{ n: 42, about: 'group' }])
  expect(await place.rows('select note from offsets')).toEqual([{ note: 'group' }])
}

describe.each(Object.keys(places))('migrations on %s', { timeout: 60_000 }, name => {
  const make = places[name]

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
        expect(await at.rows(versions)).toEqual([{ version: 1 }, { version: 2 }])
      },
    )

    test.each(['5', '7', 'commit'])(
      'at %s of an upgrade: the data is of one version and whole, and the next start makes the other',
      async where => {
        const at = await place()
        await firstVersion(at)
        await stopped(at.target, 'die', where)
        expect(await at.rows(versions)).toEqual([{ version: 1 }])
        expect(Object.keys((await at.rows('select * from offsets'))[0] ?? {})).not.toContain('note')
        expect(await at.rows('select 1 from poll_requests')).toEqual([])
        await (await at.open()).close()
        await expectSecondVersion(at)
      },
    )

    test('right after the commit: the next start finds it done', async () => {
      const at = await place()
      await firstVersion(at)
      await stopped(at.target, 'die', 'committed')
      await expectSecondVersion(at)
      await (await at.open()).close()
      await expectSecondVersion(at)
    })

    test('while another waits for it: the other makes it', async () => {
      const at = await place()
      await firstVersion(at)
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
      await expectSecondVersion(at)
    })
  })
})

test.skipIf(!server)(
  'a connection cut in the middle of a migration is an error to retry, and the next start makes it',
  async () => {
    const at = (await places.PostgreSQL?.()) as Place
    await firstVersion(at)
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
    expect(await at.rows(versions)).toEqual([{ version: 1 }])
    await (await at.open()).close()
    await expectSecondVersion(at)
  },
)
