import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { DeliveryOptions } from '../../../schemas/config.ts'
import { EventType } from '../../../schemas/order-event.ts'
import { errorData, onBehalfOf } from '../../lib/accidents.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { complaintsOf, keyOf } from '../../lib/explain.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Handler } from './define-handler.ts'
import { reportOf } from './handler-report.ts'

const isFunction = (value: unknown): value is Handler['run'] => typeof value === 'function'

/** The default export of a handler's file. */
const Definition = z.strictObject({
  on: z.union([z.literal('*'), z.array(EventType).min(1, 'a list of event types that is not empty')], {
    error: 'a list of event types, or "*" for all',
  }),
  delivery: DeliveryOptions.optional(),
  isolate: z.boolean().optional(),
  run: z.custom<Handler['run']>(isFunction, 'a function'),
})

/** A handler with validated options. */
export interface ReadHandler {
  readonly on: readonly EventType[] | '*'
  readonly delivery?: z.output<typeof DeliveryOptions> | undefined
  readonly isolate?: boolean | undefined
  run: Handler['run']
}

export interface LoadedHandler extends ReadHandler {
  /** URL. */
  readonly file: string
  /** Digest of the file's bytes. */
  readonly digest: string
}

/** Loads one file of the handlers' folder. Throws an AppError (`handlers.…`, intent `fix`) that names the file and what is wrong in it. */
export async function loadHandler(folder: string, file: string, id: string, log: Log): Promise<LoadedHandler> {
  const path = join(folder, file)
  const url = pathToFileURL(path).href
  const value = await imported(path, url, reportOf(log, id, null))
  if (value === undefined)
    throw unfit(path, 'it has no default export; write `export default defineHandler({ on, run })`')
  const digest = hash('sha256', await readFile(path), 'base64url')
  return { ...readHandler(path, value), file: url, digest }
}

/** Validates a definition; throws an error that names each wrong key. `path`: the file, for the message. */
export function readHandler(path: string, value: unknown): ReadHandler {
  const { data, error } = readDefinition(path, value)
  if (!data) {
    const lines = complaintsOf(error, value).map(
      ({ path: key, expected, found }) => `${keyOf(key) || 'its default export'}: expected ${expected}, found ${found}`,
    )
    throw unfit(path, lines.join('; '))
  }
  const original = value as Handler
  return { ...data, run: (event, context) => original.run(event, context) }
}

/** The default export. An uncaught error while the file loads is an error of the file; later it is a line in the log. */
async function imported(path: string, url: string, report: ReturnType<typeof reportOf>): Promise<unknown> {
  let loading = true
  const accidents: unknown[] = []
  const owner = {
    accident(error: unknown) {
      if (loading) accidents.push(error)
      else reportAccident(error)
    },
  }
  const reportAccident = (error: unknown) => report.accident(errorData(error), false)
  try {
    const module: { default?: unknown } = await onBehalfOf(owner, () => import(url))
    // An unhandled rejection is reported at the end of the event loop's turn.
    await turn()
    if (accidents.length > 0) throw accidents[0]
    return module.default
  } catch (cause) {
    throw unfit(path, `it cannot be loaded: ${messageOf(errorData(cause).message)}`, cause)
  } finally {
    loading = false
  }
}

/** A getter of the definition may throw. */
function readDefinition(path: string, value: unknown): ReturnType<typeof Definition.safeParse> {
  try {
    return Definition.safeParse(value)
  } catch (cause) {
    throw unfit(path, `its default export cannot be read: ${messageOf(cause)}`, cause)
  }
}

export const unfit = (path: string, why: string, cause?: unknown): AppError =>
  new AppError(`${path} is not a handler: ${why}. Names that begin with "_" are passed over.`, {
    code: 'handlers.unfit',
    intent: 'fix',
    cause,
  })
