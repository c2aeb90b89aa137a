import { createHmac, timingSafeEqual } from 'node:crypto'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'

/** A receiver of orderwire's webhooks. Try it: `WEBHOOK_SECRET=whsec_… PORT=9000 npm exec -- node examples/receiver/receiver.ts` */

const TOLERANCE_SECONDS = 300
const SHORTEST_KEY = 24
const LARGEST_BODY = 1_048_576

/** What a receiver needs to know of every event; test deliveries have neither key nor sequence. */
export type Envelope = { id: string; type: string; partitionkey?: string; sequence?: string }

/** `gap`: earlier events of this order have not come. `late`: one of those, now. */
export type Verdict = 'new' | 'duplicate' | 'gap' | 'late'

/** Whether these bytes come from who has one of the secrets (`whsec_…`), and lately. `now`: milliseconds since the epoch. */
export function verify(headers: IncomingHttpHeaders, rawBody: Uint8Array, secrets: readonly string[], now: number) {
  const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map(name => headers[`webhook-${name}`])
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string') return false
  if (!/^\d+$/.test(timestamp) || Math.abs(now / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false
  const given = signatures.split(' ').map(text => Buffer.from(text))
  return secrets.some(secret => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
    if (key.length < SHORTEST_KEY) return false
    const hmac = createHmac('sha256', key)
    const right = Buffer.from(`v1,${hmac.update(`${id}.${timestamp}.`).update(rawBody).digest('base64')}`)
    return given.some(one => one.length === right.length && timingSafeEqual(one, right))
  })
}

/** What has come in. This one forgets when the process ends; a real one is a table with a unique `id`, and `take` one transaction. */
export function createInbox() {
  const ids = new Set<string>()
  const latest = new Map<string, number>()
  return {
    take({ id, partitionkey, sequence }: Envelope): Verdict {
      if (ids.has(id)) return 'duplicate'
      ids.add(id)
      if (partitionkey === undefined || sequence === undefined) return 'new'
      const [number, last] = [Number(sequence), latest.get(partitionkey) ?? 0]
      if (number <= last) return 'late'
      latest.set(partitionkey, number)
      return number === last + 1 ? 'new' : 'gap'
    },
  }
}

/** Verifies, keeps, answers; then `taken` may take its time. What could not be kept is answered 500 and comes again. */
export function createReceiver(options: {
  secrets: readonly string[]
  inbox: ReturnType<typeof createInbox>
  taken(event: Envelope, verdict: Verdict): void
  /** A request that nobody with one of the secrets sent, or not lately. */
  refused?(): void
  now?: () => number
}): Server {
  const { secrets, inbox, taken, refused = () => {}, now = Date.now } = options

  async function statusOf(request: IncomingMessage, response: ServerResponse): Promise<number> {
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      size += chunk.length
      if (size > LARGEST_BODY) return 413
      chunks.push(chunk)
    }
    const body = Buffer.concat(chunks)
    if (!verify(request.headers, body, secrets, now())) {
      refused()
      return 401
    }
    const event: Envelope = JSON.parse(body.toString('utf8'))
    const verdict = inbox.take(event)
    response.once('close', () => taken(event, verdict))
    return 204
  }

  return createServer((request, response) => {
    const end = (status: number) => response.writeHead(status, status === 413 ? { connection: 'close' } : {}).end()
    void statusOf(request, response).then(end, () => end(500))
  })
}

if (import.meta.main) {
  const { WEBHOOK_SECRET: secret = '', PORT: port = '9000' } = process.env
  const secrets = secret.split(',').map(one => one.trim())
  if (!secrets.every(one => /^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(one))) {
    console.error('Set WEBHOOK_SECRET to the secret of the endpoint (whsec_…); two, with a comma, while it is rotated.')
    process.exit(2)
  }
  const refused = () => console.error('refused (401): not signed with WEBHOOK_SECRET, or the clocks differ by minutes')
  const taken = (event: Envelope, verdict: Verdict) =>
    console.log(verdict.padEnd(9), event.type, event.partitionkey ?? '', event.sequence ?? '', event.id)
  const server = createReceiver({ secrets, inbox: createInbox(), taken, refused })
  server.listen(Number(port), '127.0.0.1', () => console.log(`waiting for deliveries at http://127.0.0.1:${port}`))
}
