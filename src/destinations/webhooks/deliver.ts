import type { Destination, Outcome } from '../../dispatch/destination.ts'
import type { Clock } from '../../lib/clock.ts'
import { retryAfterMs } from '../../lib/retry-after.ts'
import type { Signer } from '../../lib/sign.ts'
import { tracing } from '../../telemetry/tracing.ts'
import { createBodyBytes } from './body-bytes.ts'
import type { Answer, Sender } from './send.ts'

const CONTENT_TYPE = 'application/cloudevents+json; charset=utf-8'

/** Shorter header values ("1", "true") are no secrets, and occur in many texts by chance. */
const SHORTEST_SECRET = 6

/** Signs a body and posts it to one endpoint. */
export type Post = (message: {
  id: string
  body: string | Buffer
  replay: boolean
  signal: AbortSignal
}) => Promise<Answer>

export function createPost(deps: {
  url: string
  timeoutMs: number
  signer: () => Signer
  sender: Sender
  clock: Clock
  /** Extra headers of the endpoint; our own override them. */
  headers?: Readonly<Record<string, string>>
  /** The version of this program. */
  version: string
}): Post {
  const { url, timeoutMs, signer, sender, clock } = deps
  // A receiver may echo request headers in its answer.
  const secrets = Object.values(deps.headers ?? {}).filter(value => value.length >= SHORTEST_SECRET)
  const hidden = (answer: Answer): Answer =>
    answer.kind === 'answered' && answer.response !== null
      ? { ...answer, response: secrets.reduce((text, secret) => text.replaceAll(secret, '[secret]'), answer.response) }
      : answer
  const userAgent = `orderwire/${deps.version}`
  return ({ id, body, replay, signal }) => {
    const timestamp = Math.floor(clock.now() / 1000)
    const headers: Record<string, string> = {
      ...deps.headers,
      'content-type': CONTENT_TYPE,
      'user-agent': userAgent,
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signer()(id, timestamp, body),
    }
    if (replay) headers['orderwire-replay'] = 'true'
    const traceparent = tracing()?.traceparent()
    if (traceparent !== undefined) headers.traceparent = traceparent
    const answer = sender.send({ url, headers, body, timeoutMs, signal })
    return secrets.length > 0 ? answer.then(hidden) : answer
  }
}

const bytesOf = createBodyBytes()

/** Delivers events by `post`. */
export const deliverBy =
  (post: Post, clock: Clock): Destination['deliver'] =>
  async (event, { replay, signal }) =>
    outcomeOf(await post({ id: event.id, body: bytesOf(event), replay, signal }), clock.now())

/** The outcome of an answer: 2xx delivered, 410 gone, anything else (redirects too) is retried. */
export function outcomeOf(answer: Answer, now: number): Outcome {
  if (answer.kind !== 'answered') {
    const result = answer.kind === 'aborted' ? 'aborted' : 'retry'
    return { result, statusCode: null, error: answer.error, response: null, restMs: null }
  }
  const { statusCode, response, headers } = answer
  if (statusCode < 300) return { result: 'delivered', statusCode, error: null, response, restMs: null }
  const rests = statusCode === 429 || statusCode === 503
  return {
    result: statusCode === 410 ? 'gone' : 'retry',
    statusCode,
    error: statusCode < 400 ? `answered ${statusCode}; redirects are not followed` : `answered ${statusCode}`,
    response,
    restMs: rests ? retryAfterMs(headers, now) : null,
  }
}
