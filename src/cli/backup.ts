import { resolve } from 'node:path'
import { backupStore } from '../app.ts'
import type { Settings } from '../config/environment.ts'
import { usage } from './commands.ts'
import type { Output } from './output.ts'

/** Copies the embedded store into a file. Needs no server, and disturbs none. */
export function backup(
  { settings, output }: { settings: Settings; output: Output },
  [file, ...more]: readonly string[],
): void {
  if (file === undefined || more.length > 0) throw usage('backup: name the file to write, and nothing else')
  if (settings.databaseUrl !== null)
    throw usage('backup: the store is a PostgreSQL database (DATABASE_URL); back it up with pg_dump.')
  const bytes = backupStore(settings, file)
  const key = settings.secretKey === null ? ` Keep ${resolve(settings.dataFolder, 'secret.key')} with it.` : ''
  output.item({ file: resolve(file), bytes }, `${resolve(file)}: ${(bytes / 1e6).toFixed(1)} MB, checked.${key}`)
}
