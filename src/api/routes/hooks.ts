import { hash } from 'node:crypto'
import { z } from 'zod'
import { messageOf } from '../../lib/errors.ts'
import type { WebhookNotice, WebhookReader, WebhookRequest } from '../../sources/source.ts'
import type { ApiDeps } from '../deps.ts'
import { reply } from '../json.ts'
import { notFound, Refusal } from '../problem.ts'
import { readAgain } from '../read-again.ts'
import { readBytes } from '../read-request.ts'
import { type Route, route } from '../route.ts'

/** The number of deliveries that are remembered to drop repeats. A later repeat costs one more read of the order. */
const REMEMBERED = 10_000
const NOTE_EVERY_MS = 60_000

/** `/hooks`: a vendor says that an order changed. The body is only a hint: the order is read, and facts are derived as in a poll. */
export function hookRoutes(
  deps: Pick<ApiDeps, 'config' | 'sources' | 'store' | 'ingest' | 'metrics' | 'clock' | 'log'>,
): Route[] {
  const { config, sources, log, metrics } = deps
  const noteReceived = createReceiptNotes(deps)
  const seen = new Set<string>()

  return [
    route({
      method: 'POST',
      path: '/hooks/{connection}',
      access: 'open',
      lax: true,
      summary: 'Webhooks of a vendor',
      description:
        'Signed as the vendor signs it, with the secret that the connection names. While a list of secrets is configured, a signature by any of them counts.',
      tag: 'hooks',
      answers: { 200: { description: 'Taken', schema: z.object({ received: z.literal(true) }) } },
      problems: [401, 404, 413],
      async handle({ c, params }) {
        const connection = config.connections.find(({ id }) => id === params.connection)
        const reader = sources.get(params.connection)?.webhook
        if (!connection || !reader) throw notFound('There is no connection with this id that takes webhooks.')
        const count = (outcome: 'accepted' | 'duplicate' | 'refused') =>
          metrics.webhooks.inc({ connection: connection.id, outcome })
        const body = await readBytes(c.req.raw)
        const request = { body, header: (name: string) => c.req.header(name) }
        if (!reader.verify(request)) {
          count('refused')
          throw new Refusal(401, 'The signature does not fit the body.')
        }

        noteReceived(connection.id)
        const received = reply({ received: true })
        const notice = readNotice(reader, request)
        // The id is not signed, so the body is part of the key: a forged id must not drop another body.
        const key =
          notice.deliveryId === null
            ? null
            : hash('sha256', `${connection.id}\n${notice.deliveryId}\n${hash('sha256', body)}`, 'base64')
        if (key !== null && seen.has(key)) {
          count('duplicate')
          return received
        }
        count('accepted')
        if (notice.orders.length === 0) {
          const topic = notice.topic?.slice(0, 100)
          log.warn({ connection: connection.id, topic }, 'a webhook names no order; nothing was changed')
        } else if (connection.enabled)
          for (const { orderId, userId } of notice.orders)
            await readAgain(deps, connection.id, orderId, { announced: true, userId })
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

  function readNotice(reader: WebhookReader, request: WebhookRequest): WebhookNotice {
    try {
      return reader.read(request)
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'a webhook cannot be read; nothing was changed')
      return { orders: [], deliveryId: null, topic: null }
    }
  }
}

/** Stores when the last webhook came: at once, then at most once a minute for each connection. */
function createReceiptNotes({
  store,
  clock,
  log,
}: Pick<ApiDeps, 'store' | 'clock' | 'log'>): (connection: string) => void {
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
