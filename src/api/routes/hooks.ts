import { createHmac, hash } from 'node:crypto'
import { z } from 'zod'
import { messageOf } from '../../lib/errors.ts'
import { parseJson } from '../../lib/exact-json.ts'
import { isIdText } from '../../lib/id-text.ts'
import { sameText } from '../auth/foreign-requests.ts'
import type { ApiDeps } from '../deps.ts'
import { reply } from '../json.ts'
import { notFound, Refusal } from '../problem.ts'
import { readAgain } from '../read-again.ts'
import { readBytes } from '../read-request.ts'
import { type Route, route } from '../route.ts'

/** So many deliveries are remembered to drop their repeats; a repeat beyond that costs one more read of the order. */
const REMEMBERED = 10_000
const NOTE_EVERY_MS = 60_000

/** `/hooks`: a vendor says that an order changed. Its word is only a hint: the order is read, and facts are derived as in a poll. */
export function hookRoutes(deps: Pick<ApiDeps, 'config' | 'store' | 'ingest' | 'metrics' | 'clock' | 'log'>): Route[] {
  const { config, log, metrics } = deps
  const heard = createHearing(deps)
  const seen = new Set<string>()

  return [
    route({
      method: 'POST',
      path: '/hooks/{connection}',
      access: 'open',
      lax: true,
      summary: 'Webhooks of a vendor (Shoplazza)',
      description:
        'Signed with the `webhookSecret` of the connection: X-Shoplazza-Hmac-Sha256, base64, over the raw body. While the secret is rotated, a signature by any secret of the list counts.',
      tag: 'hooks',
      answers: { 200: { description: 'Taken', schema: z.object({ received: z.literal(true) }) } },
      problems: [401, 404, 413],
      async handle({ c, params }) {
        const connection = config.connections.find(({ id }) => id === params.connection)
        if (connection?.vendor !== 'shoplazza' || connection.webhookSecret === undefined)
          throw notFound('There is no connection with this id that takes webhooks.')
        const count = (outcome: 'accepted' | 'duplicate' | 'refused') =>
          metrics.webhooks.inc({ connection: connection.id, outcome })
        const body = await readBytes(c.req.raw)
        const signature = c.req.header('x-shoplazza-hmac-sha256') ?? ''
        if (!isSigned(body, signature, [connection.webhookSecret].flat())) {
          count('refused')
          throw new Refusal(401, 'The signature does not fit the body.')
        }

        heard(connection.id)
        const received = reply({ received: true })
        const delivery = c.req.header('x-shoplazza-deduplication-id')
        // The signature is part of the key: the header alone is not signed, and must not drop another body.
        const key =
          delivery === undefined ? null : hash('sha256', `${connection.id}\n${delivery}\n${signature}`, 'base64')
        if (key !== null && seen.has(key)) {
          count('duplicate')
          return received
        }
        count('accepted')
        const topic = c.req.header('x-shoplazza-topic')?.slice(0, 100)
        const orderId = orderIdOf(body)
        if (orderId === null)
          log.warn({ connection: connection.id, topic }, 'a webhook names no order; nothing was changed')
        else if (connection.enabled) await readAgain(deps, connection.id, orderId, { announced: true })
        if (key !== null) remember(key)
        return received
      },
    }),
  ]

  function remember(key: string): void {
    seen.add(key)
    if (seen.size <= REMEMBERED) return
    for (const oldest of seen) {
      seen.delete(oldest)
      break
    }
  }

  function orderIdOf(body: Uint8Array): string | null {
    try {
      return findOrderId(parseJson(new TextDecoder('utf-8', { fatal: true }).decode(body), 'The webhook'))
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'a webhook is not JSON; nothing was changed')
      return null
    }
  }
}

/** By one of the secrets. All of them are tried, so that the time does not tell which one fits. */
function isSigned(body: Uint8Array, signature: string, secrets: readonly string[]): boolean {
  const fitting = secrets.filter(secret =>
    sameText(signature, createHmac('sha256', secret).update(body).digest('base64')),
  )
  return fitting.length > 0
}

/** Notes that webhooks come: at once, then at most once a minute for each connection, the last of a minute at its end. */
function createHearing({ store, clock, log }: Pick<ApiDeps, 'store' | 'clock' | 'log'>): (connection: string) => void {
  const notedAt = new Map<string, number>()
  const pending = new Set<string>()

  function note(connection: string): void {
    notedAt.set(connection, clock.monotonic())
    store.connections
      .heard(connection, clock.now())
      .catch(error => log.warn({ connection, error: messageOf(error) }, 'cannot note that a webhook came'))
  }

  return connection => {
    const rest = (notedAt.get(connection) ?? Number.NEGATIVE_INFINITY) + NOTE_EVERY_MS - clock.monotonic()
    if (rest <= 0) return note(connection)
    if (pending.has(connection)) return
    pending.add(connection)
    clock.after(rest, () => {
      pending.delete(connection)
      note(connection)
    })
  }
}

/** The order's id wherever a webhook puts it: `order.id`, `order_id`, or `id`, bare or below `data`. */
function findOrderId(payload: unknown): string | null {
  const body = members(payload)
  for (const { order, order_id, id } of [body, members(body.data)]) {
    const found = idText(members(order).id) ?? idText(members(order).order_id) ?? idText(order_id) ?? idText(id)
    if (found !== null) return found
  }
  return null
}

const members = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}

function idText(value: unknown): string | null {
  const text = Number.isSafeInteger(value) ? String(value) : value
  return typeof text === 'string' && isIdText(text.trim()) ? text.trim() : null
}
