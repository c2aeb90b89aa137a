import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { LoadedConfig } from '../../config/config-file.ts'
import type { Destination } from '../../dispatch/destination.ts'
import type { HandlerDeps } from './handler-destination.ts'
import { loadHandlers } from './handlers.ts'

/** The handlers of the configuration's folder; none where no folder is named and there is none beside it. */
export async function openHandlers(loaded: LoadedConfig, deps: HandlerDeps): Promise<readonly Destination[]> {
  const folder = handlersFolder(loaded)
  const keepEventsMs = loaded.config.retention.events
  return folder === null ? [] : loadHandlers(folder, { ...deps, keepEventsMs })
}

function handlersFolder({ config, folder }: LoadedConfig): string | null {
  if (config.handlers !== undefined) return resolve(folder, config.handlers)
  const beside = resolve(folder, 'handlers')
  return existsSync(beside) ? beside : null
}
