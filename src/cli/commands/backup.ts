import { resolve } from 'node:path'
import { readSettings, type Settings } from '../../config/environment.ts'
import type { Command } from '../command.ts'
import type { Output } from '../output.ts'
import { usage } from '../usage.ts'

export const backupCommand: Command = {
  name: 'backup',
  summary: 'copy the embedded store into a file, while it runs or not',
  args: '<file>',
  examples: ['backup /backups/monday.db'],
  without: ['config'],
  action: ({ args: [file = ''], env, output }) => backup({ settings: readSettings(env), output, file }),
}

/** Copies the embedded store into a file. It needs no server, and disturbs none. */
async function backup({ settings, output, file }: { settings: Settings; output: Output; file: string }): Promise<void> {
  if (settings.databaseUrl !== null)
    throw usage('backup: the store is a PostgreSQL database (DATABASE_URL); back it up with pg_dump.')
  const { backupStore } = await import('../../app.ts')
  const bytes = backupStore(settings, file)
  const key = settings.secretKey === null ? ` Keep ${resolve(settings.dataFolder, 'secret.key')} with it.` : ''
  output.item({ file: resolve(file), bytes }, `${resolve(file)}: ${(bytes / 1e6).toFixed(1)} MB, checked.${key}`)
}
