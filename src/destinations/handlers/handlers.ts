import { readdir, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { Slug } from '../../../schemas/common.ts'
import { retriesOutlast } from '../../../schemas/config.ts'
import type { Destination } from '../../dispatch/destination.ts'
import { AppError } from '../../lib/errors.ts'
import { type HandlerDeps, handlerDestination } from './handler-destination.ts'
import { loadHandler, unfit } from './handler-file.ts'

const EXTENSIONS = new Set(['.ts', '.js', '.mjs'])

/**
 * The handlers of a folder, each a destination named after its file. Tests (`*.test.*`), declarations and files whose name begins
 * with `_` or `.` are none. `keepEventsMs`: how long the history is kept, which no handler's retries may outlast. Throws an
 * AppError (`handlers.…`, intent `fix`) that names the file where one is not a handler.
 */
export async function loadHandlers(
  folder: string,
  deps: HandlerDeps & { keepEventsMs?: number },
): Promise<readonly Destination[]> {
  const isFolder = await stat(folder).then(
    found => found.isDirectory(),
    () => false,
  )
  if (!isFolder)
    throw new AppError(
      `The handlers folder ${folder} is not there. Make it, or change \`handlers\` in the configuration.`,
      {
        code: 'config.no_handlers',
        intent: 'fix',
      },
    )
  const files = (await readdir(folder)).filter(isHandlerFile).sort()
  const destinations: Destination[] = []
  for (const file of files) {
    const path = join(folder, file)
    const id = basename(file, extname(file))
    if (!Slug.safeParse(id).success)
      throw unfit(path, 'its name is its id, and may have letters, digits, ".", "_" and "-" only, at most 64')
    if (destinations.some(other => other.id === id)) throw unfit(path, `there is another handler called "${id}"`)
    const handler = await loadHandler(folder, file, id, deps.log)
    const outlast = retriesOutlast(handler.delivery?.retries ?? [], deps.keepEventsMs ?? Number.POSITIVE_INFINITY)
    if (outlast !== null) throw unfit(path, `delivery.retries: expected ${outlast}`)
    destinations.push(handlerDestination(id, handler, deps))
  }
  return destinations
}

function isHandlerFile(file: string): boolean {
  if (!EXTENSIONS.has(extname(file)) || /^[._]/.test(file)) return false
  return !/\.(test|spec|d)\.[a-z]+$/.test(file)
}
