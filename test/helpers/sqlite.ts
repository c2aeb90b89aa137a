import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { openSqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { temporaryFolder } from './temp.ts'

let emptyDatabase: Promise<Buffer> | null = null

/** A store as `openSqlite` opens it. A new one begins as a copy of a migrated database: migrations cost more than most tests. */
export async function openTestSqlite(options: { folder: string; clock: Clock }): Promise<Store> {
  const file = join(options.folder, 'orderwire.db')
  emptyDatabase ??= migrated()
  if (!existsSync(file)) await writeFile(file, await emptyDatabase, { mode: 0o600 })
  return openSqlite(options)
}

async function migrated(): Promise<Buffer> {
  const folder = await temporaryFolder()
  const store = await openSqlite({ folder: folder.path, clock: systemClock() })
  // Closing moves everything into the one file.
  await store.close()
  const bytes = await readFile(join(folder.path, 'orderwire.db'))
  await folder.remove()
  return bytes
}
