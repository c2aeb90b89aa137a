import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { parseDatabaseUrl } from '../../../src/lib/database-url.ts'
import { SCHEMA_VERSION } from '../../../src/store/migrations/migrate.ts'
import { openPostgres } from '../../../src/store/postgres/postgres.ts'
import { openSession } from '../../../src/store/postgres/postgres-session.ts'
import { SESSION_CONTRACTS, storeContract } from '../../contract/store.ts'
import { type Pooler, pgbouncerBinary, startPgbouncer } from '../../helpers/pgbouncer.ts'
import { startPostgres } from '../../helpers/postgres.ts'
import { postgresHarness } from '../../helpers/postgres-harness.ts'

const clock = systemClock()
const binary = pgbouncerBinary()
const server = binary === null ? null : await startPostgres()

async function connected<T>(url: string, run: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return run(client).finally(() => client.end())
}

describe.skipIf(!server)('PostgreSQL behind PgBouncer', () => {
  const poolers = new Map<'session' | 'transaction', Pooler>()
  beforeAll(async () => {
    if (!binary || !server) return
    for (const mode of ['session', 'transaction'] as const)
      poolers.set(mode, await startPgbouncer(binary, { url: server.url, mode, servers: mode === 'session' ? 40 : 3 }))
  })
  afterAll(async () => {
    for (const pooler of poolers.values()) await pooler.stop()
    await server?.stop()
  })
  const newDatabase = async () => (await server?.newDatabase()) ?? ''
  const through = (mode: 'session' | 'transaction', url: string) => poolers.get(mode)?.through(url) ?? ''

  test.each(['session', 'transaction'] as const)(
    'many processes open an empty database at once in %s pooling, and the schema is made once',
    async mode => {
      const url = await newDatabase()
      const stores = await Promise.all(
        Array.from({ length: 6 }, () => openPostgres({ url: through(mode, url), clock, poolSize: 4 })),
      )
      await Promise.all(stores.map((store, index) => store.offsets.set('g', index, 1)))
      for (const store of stores) expect(await store.check()).toMatch(/^PostgreSQL \d+/)
      await Promise.all(stores.map(store => store.close()))
      const versions = await connected(url, client => client.query('select version from schema_version order by 1'))
      expect(versions.rows.map(row => Number(row.version))).toEqual(
        Array.from({ length: SCHEMA_VERSION }, (_, index) => index + 1),
      )
    },
  )

  test('settings of our sessions do not reach other clients of a transaction pool', async () => {
    const url = await newDatabase()
    const store = await openPostgres({ url: through('transaction', url), clock, poolSize: 8 })
    await Promise.all(Array.from({ length: 20 }, (_, index) => store.offsets.set('g', index, 1)))
    const limits = await connected(through('transaction', url), async client => {
      const found: string[] = []
      for (let round = 0; round < 6; round++) {
        const { rows } = await client.query<{ limit: string }>(
          `select current_setting('statement_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout') as limit`,
        )
        found.push(rows[0]?.limit ?? '')
      }
      return found
    })
    await store.close()
    expect(new Set(limits)).toEqual(new Set(['0 0']))
  })

  test.each(['directly', 'session', 'transaction'] as const)('a transaction has limits of its own: %s', async way => {
    const url = await newDatabase()
    const address = parseDatabaseUrl(way === 'directly' ? url : through(way, url))
    const session = await openSession(address, { timeoutMs: 30_000 }, clock)
    await session.query('begin', [])
    const { rows } = await session.query(
      `select current_setting('statement_timeout') as statement, current_setting('idle_in_transaction_session_timeout') as idle`,
      [],
    )
    await session.query('commit', [])
    await session.end()
    expect(rows).toEqual([{ statement: '30s', idle: '1min' }])
  })

  describe('in transaction pooling', () => {
    const harness = postgresHarness(newDatabase, url => through('transaction', url))
    afterAll(harness.end)
    storeContract('postgres', harness.open, SESSION_CONTRACTS)
  })
})
