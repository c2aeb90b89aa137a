import { nanoid } from 'nanoid'
import type { Clock } from '../lib/clock.ts'
import { AppError, type Intent, messageOf } from '../lib/errors.ts'
import type { PollRequest, PollRequestStore } from '../store/port/poll-requests.ts'
import type { IngestControl, PollOptions, PollResult, ReadResult } from './ingest-control.ts'

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

type Asked = Pick<PollOptions, 'orderId' | 'userId' | 'dryRun'> & {
  /** Only read these orders. */
  readonly read?: Parameters<IngestControl['read']>[1]
}
type Answer =
  | { readonly result: PollResult | ReadResult }
  | {
      readonly error: { message: string; code: string; intent: Intent; retryAfterMs?: number }
    }

interface Deps {
  readonly requests: PollRequestStore
  readonly clock: Clock
}

/** Polls in the process that works this connection. Rejects as the poll there did, or with `ingest.unattended` if no process works it. */
export async function askPoll(deps: Deps, connection: string, { signal, ...asked }: PollOptions): Promise<PollResult> {
  return (await ask(deps, connection, asked, signal)) as PollResult
}

/** Reads orders in the process that works this connection. Rejects as `askPoll` does. */
export async function askRead(
  deps: Deps,
  connection: string,
  read: NonNullable<Asked['read']>,
  signal: AbortSignal,
): Promise<ReadResult> {
  return (await ask(deps, connection, { read }, signal)) as ReadResult
}

async function ask(
  { requests, clock }: Deps,
  connection: string,
  asked: Asked,
  signal: AbortSignal,
): Promise<PollResult | ReadResult> {
  const id = nanoid()
  const now = clock.now()
  const began = clock.monotonic()
  await requests.put({ id, connection, request: JSON.stringify(asked), askedAt: now }, now - FORGET_MS)
  try {
    while (!signal.aborted) {
      const request = await requests.get(id)
      if (request?.answer) return resultOf(JSON.parse(request.answer))
      const waited = clock.monotonic() - began
      if (!request || waited >= PATIENCE_MS)
        throw unattended(`The poll of ${connection} was not finished within ${PATIENCE_MS / 1000} s; it goes on there.`)
      if (waited >= PICKUP_MS && request.takenAt === null && (await requests.remove(id, { untaken: true })))
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

/** Runs a request that was taken, and stores its result or its error. */
export async function answerPoll(
  requests: PollRequestStore,
  { id, request }: PollRequest,
  poll: (asked: Asked) => Promise<PollResult | ReadResult>,
): Promise<void> {
  const answer = await poll(JSON.parse(request) as Asked).then(
    (result): Answer => ({ result }),
    (error: unknown): Answer => ({ error: errorOf(error) }),
  )
  await requests.answer(id, JSON.stringify(answer))
}

function errorOf(error: unknown) {
  if (!(error instanceof AppError))
    return { message: messageOf(error), code: 'ingest.failed', intent: 'retry' as const }
  const { code, intent, retryAfterMs } = error
  return { message: messageOf(error), code, intent, ...(retryAfterMs !== undefined && { retryAfterMs }) }
}

function resultOf(answer: Answer): PollResult | ReadResult {
  if ('result' in answer) return answer.result
  const { message, ...rest } = answer.error
  throw new AppError(message, rest)
}

const unattended = (message: string): AppError =>
  new AppError(message, { code: 'ingest.unattended', intent: 'retry', retryAfterMs: 5_000 })
