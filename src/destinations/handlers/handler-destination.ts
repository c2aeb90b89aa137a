import { type Delivery, withOptions } from '../../../schemas/config.ts'
import type { Destination, Outcome } from '../../dispatch/destination.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../telemetry/log.ts'
import { handlersAtWork } from './at-work.ts'
import type { ReadHandler } from './handler-file.ts'
import { reportOf } from './handler-report.ts'
import { createIsolate } from './isolate.ts'
import { outcomeOf, runHandler } from './run-handler.ts'

export interface HandlerDeps {
  readonly delivery: Delivery
  readonly clock: Clock
  readonly log: Log
}

/** Threads of an isolated handler without its own `concurrency`; each costs some 10 MB. */
const THREADS = 4

/**
 * A handler as a destination. Whatever its function does (throw, hang, return nonsense, fail later uncaught) costs one attempt or a line in
 * the log, and nothing more. `file`: the file that an isolated handler is loaded from.
 */
export function handlerDestination(
  id: string,
  handler: ReadHandler & { file?: string; digest?: string },
  { delivery: global, clock, log }: HandlerDeps,
): Destination {
  const own = handler.delivery
  const threads = handler.isolate ? { concurrency: own?.concurrency ?? Math.min(THREADS, global.concurrency) } : {}
  const delivery = { ...withOptions(global, own), ...threads }
  const isolate =
    handler.isolate && handler.file !== undefined
      ? createIsolate({ file: handler.file, clock, report: reportOf(log, id, null) })
      : null
  return {
    id,
    kind: 'handler',
    state: 'active',
    delivery,
    types: handler.on === '*' ? null : new Set(handler.on),
    connections: null,
    ...(handler.digest !== undefined && { digest: handler.digest }),
    ...(isolate && { close: () => isolate.close() }),
    async deliver({ id: event, body }, { attempt, signal }) {
      const report = reportOf(log, id, event)
      if (isolate) return isolate.run({ body, attempt, timeoutMs: delivery.timeout, signal, report })
      if (signal.aborted) return outcomeOf('aborted', 'aborted')
      const done = handlersAtWork.begin(id)
      try {
        const begun = clock.monotonic()
        const run = runHandler({ run: handler.run, body, attempt, ...report })
        handlersAtWork.blocked(id, clock.monotonic() - begun)
        return await untilOver(run)
      } finally {
        done()
      }

      async function untilOver(run: ReturnType<typeof runHandler>): Promise<Outcome> {
        const stopped = () => run.end(outcomeOf('aborted', 'aborted'), signal.reason)
        signal.addEventListener('abort', stopped, { once: true })
        const cancel = clock.after(delivery.timeout, () =>
          run.end(
            outcomeOf('retry', `not done within ${delivery.timeout} ms`),
            new DOMException('the delivery timed out', 'TimeoutError'),
          ),
        )
        try {
          return await run.outcome
        } finally {
          cancel()
          signal.removeEventListener('abort', stopped)
        }
      }
    },
  }
}
