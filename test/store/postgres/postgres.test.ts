import { afterAll, describe } from 'vitest'
import { storeContract } from '../../contract/store.ts'
import { startPostgres } from '../../helpers/postgres.ts'
import { postgresHarness } from '../../helpers/postgres-harness.ts'

const server = await startPostgres()

describe.skipIf(!server)('PostgreSQL', () => {
  const harness = postgresHarness(async () => (await server?.newDatabase()) ?? '')
  afterAll(async () => {
    await harness.end()
    await server?.stop()
  })
  storeContract('postgres', harness.open)
})
