import { nanoid } from 'nanoid'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { PollRequest, PollRequestStore } from '../store/port/poll-requests.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { IngestControl, OrderRef, PollOptions, PollResult, ReadResult } from './ingest-control.ts'

/**
 * Polls and readings that a process requests without the lease of the connection (an API without ingest, a standby). Request and answer
 * go through the store; the holder of the lease finds a request within a second.
 */

/** A request not taken by then means that no process works the connection. */
const PICKUP_MS = 10_000
const PATIENCE_MS = 60_000
const LOOK_EVERY_MS = 250
/** Older requests belong to processes that died while they waited. */
const FORGET_MS = 10 * 60_000
/** How soon the holder begins; costs three indexed queries each time. */
const SERVE_EVERY_MS = 1_000

/** As stored: processes of different versions read it. */
interface Asked extends Pick<PollOptions, 'orderId' | 'userId' | 'dryRun'> {
  /** Only read these orders. */
  readonly read?: readonly OrderRef[]
}
type Answer<T> =
  | { readonly result: T }
  | { readonly error: { readonly message: string } & ConstructorParameters<typeof AppError>[1] }

/** Polls and reads in the process that works the connection. Rejects as it does there, or with `ingest.unattended` if no process works it. */
export function throughStore(deps: { requests: PollRequestStore; clock: Clock }): Pick<IngestControl, 'poll' | 'read'> {
  const { requests, clock } = deps

  async function ask<T>(connection: string, asked: Asked, signal: AbortSignal): Promise<T> {
    const id = nanoid()
    const now = clock.now()
    const began = clock.monotonic()
    await requests.put({ id, connection, request: JSON.stringify(asked), askedAt: now }, now - FORGET_MS)
    try {
      while (!signal.aborted) {
        const request = await requests.get(id)
        if (request?.answer) return resultOf<T>(JSON.parse(request.answer))
        const waited = clock.monotonic() - began
        if (!request || waited >= PATIENCE_MS)
          throw unattended(
            `The poll of ${connection} was not finished within ${PATIENCE_MS / 1000} s; it goes on there.`,
          )
        if (waited >= PICKUP_MS && (await requests.remove(id, { untaken: true })))
          throw unattended(
            `No process took up the poll of ${connection} within ${PICKUP_MS / 1000} s: is one with the role "ingest" running, and is it not waiting for a lease?`,
          )
        await clock.sleep(LOOK_EVERY_MS, signal)
      }
      throw unattended(`Nobody waits for the poll of ${connection} any more.`)
    } finally {
      // If this fails too, a later request deletes it.
      await requests.remove(id).catch(() => {})
    }
  }

  return {
    poll: (connection, { signal, ...asked }) => ask<PollResult>(connection, asked, signal),
    read: (connection, read, signal) => ask<ReadResult>(connection, { read }, signal),
  }
}

/** A connection as `connection-worker.ts` works it. */
interface Worker {
  readonly connection: string
  holds(): boolean
  refetch(): void
  backfill(): void
  pollHere(options: PollOptions): Promise<PollResult>
  readHere(orders: readonly OrderRef[], signal: AbortSignal): Promise<ReadResult>
}

/** Serves requests of other processes (polls, single orders, backfills) for the connections worked here, until the signal aborts. */
export async function serveRequests(
  deps: {
    workers: readonly Worker[]
    store: Pick<Store, 'pollRequests' | 'orderReads' | 'backfills'>
    clock: Clock
    log: Log
  },
  signal: AbortSignal,
): Promise<void> {
  const { workers, store, clock, log } = deps
  const requests = store.pollRequests
  const running = new Set<Promise<void>>()

  async function serve(held: ReadonlyMap<string, Worker>): Promise<void> {
    const connections = [...held.keys()]
    for (const connection of await store.orderReads.due(connections, clock.now())) held.get(connection)?.refetch()
    for (const connection of await store.backfills.waiting(connections)) held.get(connection)?.backfill()
    for (const request of await requests.take(connections, clock.now())) {
      const worker = held.get(request.connection)
      if (!worker) continue
      // Not awaited: a slow vendor must not delay the requests of other connections.
      const answering: Promise<void> = answerPoll(requests, request, ({ read, ...asked }) =>
        read ? worker.readHere(read, signal) : worker.pollHere({ ...asked, signal }),
      )
        .catch(error => log.warn({ connection: request.connection, error: messageOf(error) }, 'cannot answer a poll'))
        .finally(() => running.delete(answering))
      running.add(answering)
    }
  }

  while (!signal.aborted) {
    const held = workers.filter(worker => worker.holds()).map(worker => [worker.connection, worker] as const)
    await serve(new Map(held)).catch(error =>
      log.warn({ error: messageOf(error) }, 'cannot look for requests of other processes; trying again'),
    )
    await clock.sleep(SERVE_EVERY_MS, signal)
  }
  await Promise.all(running)
}

/** Runs a request that was taken, and stores its result or its error. */
export async function answerPoll(
  requests: PollRequestStore,
  { id, request }: Pick<PollRequest, 'id' | 'request'>,
  poll: (asked: Asked) => Promise<PollResult | ReadResult>,
): Promise<void> {
  const answer = await poll(JSON.parse(request) as Asked).then(
    (result): Answer<PollResult | ReadResult> => ({ result }),
    (error: unknown): Answer<never> => ({ error: errorOf(error) }),
  )
  await requests.answer(id, JSON.stringify(answer))
}

function errorOf(error: unknown) {
  if (!(error instanceof AppError))
    return { message: messageOf(error), code: 'ingest.failed', intent: 'retry' as const }
  const { code, intent, retryAfterMs } = error
  return { message: messageOf(error), code, intent, ...(retryAfterMs !== undefined && { retryAfterMs }) }
}

function resultOf<T>(answer: Answer<T>): T {
  if ('result' in answer) return answer.result
  const { message, ...rest } = answer.error
  throw new AppError(message, rest)
}

const unattended = (message: string): AppError =>
  new AppError(message, { code: 'ingest.unattended', intent: 'retry', retryAfterMs: 5_000 })
