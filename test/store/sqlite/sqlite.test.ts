import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { systemClock } from '../../../src/lib/clock.ts'
import { type StoreHarness, storeContract } from '../../contract/store.ts'
import { openTestSqlite } from '../../helpers/sqlite.ts'
import { temporaryFolder } from '../../helpers/temp.ts'

const clock = systemClock()

storeContract('sqlite', async () => {
  const folder = await temporaryFolder()
  const open = async (): Promise<StoreHarness> => {
    const store = await openTestSqlite({ folder: folder.path, clock })
    return {
      store,
      reopen: async () => {
        await store.close()
        return open()
      },
      tamper: async statement => {
        const database = new DatabaseSync(join(folder.path, 'orderwire.db'))
        database.exec(statement)
        database.close()
      },
      close: async () => {
        await store.close()
        await folder.remove()
      },
    }
  }
  return open()
})
