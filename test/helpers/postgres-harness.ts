import pg from 'pg'
import { systemClock } from '../../src/lib/clock.ts'
import { openPostgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import type { StoreHarness } from '../contract/store.ts'

/**
 * A store on PostgreSQL for one test after the other. All of them use one database, which is emptied before each, and one open store:
 * new databases and sessions cost more than most of the tests.
 */
export function postgresHarness(
  newDatabase: () => Promise<string>,
  through: (url: string) => string = url => url,
): { open(): Promise<StoreHarness>; end(): Promise<void> } {
  let opened: Promise<{ client: pg.Client; url: string }> | null = null
  let store: Store | null = null

  async function begin() {
    const url = await newDatabase()
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    return { client, url }
  }

  return {
    async open() {
      opened ??= begin()
      const { client, url } = await opened
      const harness = async (): Promise<StoreHarness> => {
        store ??= await openPostgres({ url: through(url), clock: systemClock() })
        return {
          store,
          reopen: async () => {
            await store?.close()
            store = null
            return harness()
          },
          tamper: async statement => void (await client.query(statement)),
          close: async () => {},
        }
      }
      await empty(client)
      return harness()
    },
    async end() {
      await store?.close()
      await (await opened)?.client.end()
    },
  }
}

/** Removes all rows of the program's tables. For a few rows that costs far less than `truncate`. */
async function empty(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'schema_version'`,
  )
  if (rows.length > 0) await client.query(rows.map(({ name }) => `delete from ${name}`).join(';'))
}
