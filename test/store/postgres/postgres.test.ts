import pg from 'pg'
import { afterAll, describe } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { openPostgres } from '../../../src/store/postgres/postgres.ts'
import { type StoreHarness, storeContract } from '../../contract/store.ts'
import { startPostgres } from '../../helpers/postgres.ts'

const clock = systemClock()
const server = await startPostgres()

describe.skipIf(!server)('PostgreSQL', () => {
  const database = server?.newDatabase() ?? Promise.resolve('')
  afterAll(() => server?.stop(), 60_000)

  async function connected<T>(url: string, run: (client: pg.Client) => Promise<T>): Promise<void> {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await run(client).finally(() => client.end())
  }

  const empty = (url: string) =>
    connected(url, async client => {
      const { rows } = await client.query<{ name: string }>(
        `select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'schema_version'`,
      )
      if (rows.length > 0) await client.query(`truncate ${rows.map(row => row.name).join(', ')}`)
    })

  storeContract('postgres', async () => {
    const url = await database
    await empty(url)
    const open = async (): Promise<StoreHarness> => {
      const store = await openPostgres({ url, clock })
      return {
        store,
        reopen: async () => {
          await store.close()
          return open()
        },
        tamper: statement => connected(url, client => client.query(statement)),
        close: () => store.close(),
      }
    }
    return open()
  })
})
