import { readdir, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Slug } from '../../schemas/common.ts'
import type { Delivery } from '../../schemas/config.ts'
import { EventType, type OrderEvent } from '../../schemas/order-event.ts'
import type { Clock } from '../clock.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Log } from '../observe.ts'
import type { EventRecord } from '../order/event-record.ts'
import type { Destination, Outcome } from './destination.ts'
import type { Handler, HandlerContext } from './handler.ts'

export interface HandlerDeps {
  readonly delivery: Delivery
  readonly clock: Clock
  readonly log: Log
}

const EXTENSIONS = new Set(['.ts', '.js', '.mjs'])

/**
 * The handlers of a folder, each a destination named after its file. Tests (`*.test.*`), declarations and files whose name begins
 * with `_` or `.` are none. Throws an AppError (`handlers.…`, intent `fix`) that names the file where one is not a handler.
 */
export async function loadHandlers(folder: string, deps: HandlerDeps): Promise<readonly Destination[]> {
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
    const id = basename(file, extname(file))
    if (!Slug.safeParse(id).success)
      throw unfit(folder, file, 'its name is its id, and may have letters, digits, ".", "_" and "-" only, at most 64')
    if (destinations.some(other => other.id === id))
      throw unfit(folder, file, `there is another handler called "${id}"`)
    destinations.push(handlerDestination(id, await load(folder, file), deps))
  }
  return destinations
}

function isHandlerFile(file: string): boolean {
  if (!EXTENSIONS.has(extname(file)) || /^[._]/.test(file)) return false
  return !/\.(test|spec|d)\.[a-z]+$/.test(file)
}

async function load(folder: string, file: string): Promise<Handler> {
  let module: { default?: unknown }
  try {
    module = await import(pathToFileURL(join(folder, file)).href)
  } catch (cause) {
    throw unfit(folder, file, `it cannot be loaded: ${messageOf(cause)}`, cause)
  }
  const handler = module.default
  if (!isHandler(handler))
    throw unfit(folder, file, 'it must `export default defineHandler({ on, run })`, `on` a list of event types or "*"')
  return handler
}

function isHandler(value: unknown): value is Handler {
  if (typeof value !== 'object' || value === null || !('on' in value) || !('run' in value)) return false
  const { on, run } = value
  const types =
    on === '*' || (Array.isArray(on) && on.length > 0 && on.every(type => EventType.safeParse(type).success))
  return types && typeof run === 'function'
}

const unfit = (folder: string, file: string, why: string, cause?: unknown): AppError =>
  new AppError(`${join(folder, file)} is not a handler: ${why}. Names that begin with "_" are passed over.`, {
    code: 'handlers.unfit',
    intent: 'fix',
    cause,
  })

/** A handler as a destination. Whatever its function does (throw, hang, return nonsense) is the outcome of one attempt and nothing more. */
export function handlerDestination(id: string, handler: Handler, { delivery, clock, log }: HandlerDeps): Destination {
  return {
    id,
    kind: 'handler',
    state: 'active',
    delivery,
    types: handler.on === '*' ? null : new Set(handler.on),
    connections: null,
    deliver(event, { attempt, signal }) {
      const { promise, resolve } = Promise.withResolvers<Outcome>()
      const abort = new AbortController()
      let cancel = () => {}
      const end = (result: Outcome['result'], error: string | null) => {
        cancel()
        signal.removeEventListener('abort', stopped)
        resolve({ result, statusCode: null, error, response: null, restMs: null })
      }
      const stopped = () => {
        abort.abort(signal.reason)
        end('aborted', 'aborted')
      }
      const threw = (error: unknown) => {
        if (abort.signal.aborted) return
        end(isGiveUp(error) ? 'give-up' : 'retry', describe(error))
      }
      if (signal.aborted) {
        stopped()
        return promise
      }
      try {
        const context = { log: logOf(log, id, event), signal: abort.signal, attempt }
        const running: unknown = handler.run(JSON.parse(event.body) as OrderEvent, context)
        if (!isThenable(running)) {
          end('delivered', null)
          return promise
        }
        signal.addEventListener('abort', stopped, { once: true })
        cancel = clock.after(delivery.timeout, () => {
          end('retry', `not done within ${delivery.timeout} ms`)
          abort.abort(new DOMException('the delivery timed out', 'TimeoutError'))
        })
        Promise.resolve(running).then(() => end('delivered', null), threw)
      } catch (error) {
        threw(error)
      }
      return promise
    },
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'

/** By name as well: a handler may have its own copy of the module. */
const isGiveUp = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'name' in error && error.name === 'GiveUp'

function describe(error: unknown): string {
  try {
    return messageOf(error)
  } catch {
    return 'it threw something that cannot be described'
  }
}

function logOf(log: Log, handler: string, event: EventRecord): HandlerContext['log'] {
  const marked = (fields: Record<string, unknown> | undefined) => ({ ...fields, handler, event: event.id })
  return {
    info: (message, fields) => log.info(marked(fields), message),
    warn: (message, fields) => log.warn(marked(fields), message),
    error: (message, fields) => log.error(marked(fields), message),
  }
}
