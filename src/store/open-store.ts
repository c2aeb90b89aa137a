import type { Settings } from '../config/environment.ts'
import type { Clock } from '../lib/clock.ts'
import { openSqlite } from './sqlite/sqlite.ts'
import { backupSqlite } from './sqlite/sqlite-backup.ts'
import type { Store } from './store.ts'

/** PostgreSQL where a URL is set, else the embedded store. */
export async function openStore({ databaseUrl, databasePool, dataFolder }: Settings, clock: Clock): Promise<Store> {
  if (databaseUrl === null) return openSqlite({ folder: dataFolder, clock })
  const { openPostgres } = await import('./postgres/postgres.ts')
  return openPostgres({ url: databaseUrl, poolSize: databasePool, clock })
}

/** Copies the embedded store, while it runs or not; the size of the copy in bytes. */
export const backupStore = ({ dataFolder }: Settings, file: string): number =>
  backupSqlite({ folder: dataFolder, file })
