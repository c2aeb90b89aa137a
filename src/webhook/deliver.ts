import type { Clock } from '../clock.ts'
import type { Destination, Outcome } from '../dispatch/destination.ts'
import { retryAfterMs } from './retry-after.ts'
import type { Answer, Sender } from './send.ts'
import type { Signer } from './sign.ts'

const CONTENT_TYPE = 'application/cloudevents+json; charset=utf-8'

/** Signs a body and posts it to one endpoint. */
export type Post = (message: { id: string; body: string; replay: boolean; signal: AbortSignal }) => Promise<Answer>

export function createPost(deps: {
  url: string
  timeoutMs: number
  signer: () => Signer
  sender: Sender
  clock: Clock
  /** Of this program. */
  version: string
}): Post {
  const { url, timeoutMs, signer, sender, clock } = deps
  const userAgent = `orderwire/${deps.version}`
  return ({ id, body, replay, signal }) => {
    const timestamp = Math.floor(clock.now() / 1000)
    const headers: Record<string, string> = {
      'content-type': CONTENT_TYPE,
      'user-agent': userAgent,
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signer()(id, timestamp, body),
    }
    if (replay) headers['orderwire-replay'] = 'true'
    return sender.send({ url, headers, body, timeoutMs, signal })
  }
}

/** Delivers events by `post`. */
export const deliverBy =
  (post: Post, clock: Clock): Destination['deliver'] =>
  async (event, { replay, signal }) =>
    outcomeOf(await post({ id: event.id, body: event.body, replay, signal }), clock.now())

/** What an answer means: 2xx is success, 410 the end of the endpoint, everything else (redirects too) may pass. */
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
    restMs: rests ? retryAfterMs(headers['retry-after'], now) : null,
  }
}
