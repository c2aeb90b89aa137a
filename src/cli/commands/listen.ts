import { z } from 'zod'
import { OrderEvent } from '../../../schemas/order-event.ts'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { withoutControls } from '../../lib/control-characters.ts'
import { messageOf } from '../../lib/errors.ts'
import { newSecret } from '../../lib/secret-box.ts'
import { createSigner, type Signer } from '../../lib/sign.ts'
import { VERSION } from '../../lib/version.ts'
import type { Command, CommandContext, Flags } from '../command.ts'
import { followEventTexts } from '../follow-events.ts'
import { CONNECTIONS, instantOption, TYPES } from '../options.ts'
import { eventLine, short } from '../output.ts'
import { IN_PROCESS, withServer } from '../server.ts'
import { usage } from '../usage.ts'

export const listenCommand: Command = {
  name: 'listen',
  summary: 'forward the live events to a receiver on your machine, until Ctrl-C',
  args: '<url>',
  options: [
    TYPES,
    CONNECTIONS,
    instantOption('--since <when>', 'begin with the past events since then: a time, a date, or how long ago (2h)'),
  ],
  examples: ['listen http://localhost:3000/hooks', 'listen http://localhost:3000/hooks --type order.paid --since 1h'],
  action: run => withServer(run, context => listen(context, run.args[0] ?? '', run.flags)),
}

const Url = z.url({ protocol: /^https?$/ })
const TIMEOUT_MS = 15_000
/** How much of an answer is read. */
const MOST_BYTES = 16 * 1024

interface Answer {
  readonly statusCode: number | null
  readonly ms: number
  readonly error: string | null
  readonly response: string | null
}

/** Posts each event as it comes, signed as a webhook delivery is. A failed one is reported, and not tried again. */
export async function listen(
  context: CommandContext,
  url: string,
  { type, connection, since }: Flags,
  clock: Clock = systemClock(),
): Promise<void> {
  const { client, output, signal } = context
  if (!Url.safeParse(url).success)
    throw usage(`listen: expected the address of your receiver, such as http://localhost:3000/hooks, found "${url}"`)
  const secret = newSecret()
  const signer = createSigner([secret])
  output.item({ type: 'listening', url, secret }, `Events go to ${url}, signed with the secret ${secret}`)
  if (client.target === IN_PROCESS)
    output.note('No server runs here, so no new events come; --since sends past ones.', 'warn')
  for await (const body of followEventTexts(context, { type, connection, since })) {
    const event = client.read(OrderEvent, JSON.parse(body))
    const answer = await send({ url, signer, id: event.id, body, clock, signal })
    if (signal.aborted) return
    const { statusCode, ms, error, response } = answer
    const failure = error === null ? '' : `; ${short(error)}, not tried again`
    output.item(
      { type: 'answer', event: event.id, eventType: event.type, ...answer },
      `${eventLine(event)}  → ${statusCode ?? 'no answer'} in ${ms} ms${failure}`,
      error === null ? undefined : 'bad',
    )
    if (response !== null) output.note(`    ${short(withoutControls(response))}`, 'quiet')
  }
}

async function send(options: {
  url: string
  signer: Signer
  id: string
  body: string
  clock: Clock
  signal: AbortSignal
}): Promise<Answer> {
  const { url, signer, id, body, clock, signal } = options
  const seconds = Math.floor(clock.now() / 1000)
  const began = clock.monotonic()
  const elapsed = () => Math.round(clock.monotonic() - began)
  const patience = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  try {
    const answer = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/cloudevents+json; charset=utf-8',
        'user-agent': `orderwire/${VERSION}`,
        'webhook-id': id,
        'webhook-timestamp': String(seconds),
        'webhook-signature': signer(id, seconds, body),
      },
      body,
      signal: patience,
    })
    const text = await beginningOf(answer)
    const error = answer.ok ? null : `answered ${answer.status}`
    return { statusCode: answer.status, ms: elapsed(), error, response: text === '' ? null : text }
  } catch (error) {
    const late = patience.aborted && !signal.aborted
    const why = late
      ? `no answer within ${TIMEOUT_MS / 1000} s`
      : messageOf(error instanceof Error ? (error.cause ?? error) : error)
    return { statusCode: null, ms: elapsed(), error: why, response: null }
  }
}

async function beginningOf({ body }: Response): Promise<string> {
  if (!body) return ''
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= MOST_BYTES) break
  }
  return Buffer.concat(chunks).subarray(0, MOST_BYTES).toString('utf8')
}
