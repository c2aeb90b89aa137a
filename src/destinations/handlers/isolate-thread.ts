import { inspect } from 'node:util'
import { parentPort, workerData } from 'node:worker_threads'
import { errorData, handedOver, onBehalfOf } from '../../lib/accidents.ts'
import { resolveOwnPackage } from '../../lib/own-package.ts'
import type { Handler, HandlerContext } from './define-handler.ts'
import type { FromThread, ThreadData, ToThread } from './isolate-messages.ts'
import { type HandlerRun, outcomeOf, runHandler } from './run-handler.ts'

/** Runs inside a handler's thread: loads the file, and runs the handler for one event after the other. `isolate.ts` starts the threads. */

const { file } = workerData as ThreadData
const say = (message: FromThread): void => parentPort?.postMessage(message)

let current: HandlerRun | null = null

/** Fields that cannot be sent to another thread (functions) are sent as text. */
function logged(level: 'info' | 'warn' | 'error'): HandlerContext['log']['info'] {
  return (message, fields = {}) => {
    try {
      say({ kind: 'log', level, message: String(message), fields })
    } catch {
      say({ kind: 'log', level, message: String(message), fields: { fields: inspect(fields) } })
    }
  }
}

const log = { info: logged('info'), warn: logged('warn'), error: logged('error') }

function uncaught(error: unknown): void {
  if (!handedOver(error)) say({ kind: 'accident', error: errorData(error), inFlight: false })
}
process.on('uncaughtException', uncaught)
process.on('unhandledRejection', uncaught)

resolveOwnPackage()
const loaded: { handler: Handler | null } = { handler: null }
try {
  const owner = {
    accident: (error: unknown) => say({ kind: 'accident', error: errorData(error), inFlight: false }),
  }
  const module: { default: Handler } = await onBehalfOf(owner, () => import(file))
  loaded.handler = module.default
  say({ kind: 'ready' })
} catch (error) {
  say({ kind: 'unfit', error: errorData(error) })
}

parentPort?.on('message', (message: ToThread) => {
  const { handler } = loaded
  if (message.kind === 'abort') {
    current?.end(outcomeOf('aborted', 'aborted'), new DOMException('the delivery was stopped', 'AbortError'))
    return
  }
  if (!handler) return
  const { body, attempt } = message
  const run = runHandler({
    run: (event, context) => handler.run(event, context),
    body,
    attempt,
    log,
    accident: (error, inFlight) => say({ kind: 'accident', error, inFlight }),
    threw: error => say({ kind: 'threw', error }),
  })
  current = run
  void run.outcome.then(outcome => {
    if (current === run) current = null
    say({ kind: 'end', outcome })
  })
})
