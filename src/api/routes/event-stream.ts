import { z } from 'zod'
import { StreamQuery } from '../../../schemas/api-requests.ts'
import { messageOf } from '../../lib/errors.ts'
import { createPageSize, within } from '../../lib/page-size.ts'
import type { EventFilter, StoredEvent } from '../../store/port/events.ts'
import type { ApiDeps } from '../deps.ts'
import { createEventFeed } from '../event-feed.ts'
import type { KnownIds } from '../known-ids.ts'
import { invalid, Refusal } from '../problem.ts'
import { type Route, route } from '../route.ts'
import { eventFilter } from './events.ts'

const HEARTBEAT_MS = 15_000
/** A comment in the stream: proxies close connections on which nothing comes. */
const HEARTBEAT = ': still here\n\n'
const PAGE = 50
/** The most characters that a slow reader keeps in memory. A larger event is sent alone. */
const PAGE_SIZE = 256 * 1024
const MOST_STREAMS = 200

/** `/v1/events/stream`: new events as server-sent events. */
export function streamRoutes({
  store,
  clock,
  log,
  onEvents,
  known,
}: Pick<ApiDeps, 'store' | 'clock' | 'log' | 'onEvents'> & { known: KnownIds }): Route[] {
  const feed = createEventFeed({ events: store.events, clock, log, onEvents })
  let open = 0

  async function startOf(lastEventId: string | undefined, since: number | undefined): Promise<number> {
    if (lastEventId !== undefined) {
      const event = await store.events.get(lastEventId)
      if (event) return event.n
      throw invalid([
        {
          path: 'Last-Event-ID',
          message:
            'expected an event of the history, found one that is not in it (any more); leave it out for live events, or give `since`',
        },
      ])
    }
    return since === undefined ? store.events.last() : 0
  }

  /** Reads the next page only after the reader took the last one, so a slow reader costs one page of memory. */
  function follow(filter: EventFilter, start: number): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder()
    const gone = new AbortController()
    const size = createPageSize({ most: PAGE, bytes: PAGE_SIZE })
    let position = start
    let greeted = false
    let cancelled = false
    let counted = true
    open++
    const end = () => {
      if (counted) open--
      counted = false
      gone.abort()
    }

    /** The next piece of text; null: the stream ends. */
    async function next(): Promise<string | null> {
      if (!greeted) {
        greeted = true
        return 'retry: 2000\n: listening\n\n'
      }
      const beatAt = clock.monotonic() + HEARTBEAT_MS
      while (!gone.signal.aborted) {
        // Taken before the look: an event that comes during it ends the wait below at once.
        const seen = feed.version()
        const horizon = await store.events.last()
        const found = await store.events.list(filter, { limit: size.limit, after: position })
        // The next page is as large as these events allow. Of this one, what is too much is read again.
        size.seen(
          found.length,
          found.reduce((sum, { body }) => sum + body.length, 0),
        )
        const page = within(found, PAGE_SIZE, ({ body }) => body.length)
        const last = page.at(-1)
        if (last) {
          position = last.n
          return page.map(frame).join('')
        }
        // Nothing up to here matches the filter; skip it next time.
        position = Math.max(position, horizon)
        const left = beatAt - clock.monotonic()
        const woken = left > 0 && (await feed.wait(seen, left, gone.signal))
        if (!woken && !gone.signal.aborted) return HEARTBEAT
      }
      return null
    }

    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          try {
            const text = await next()
            if (text !== null) return controller.enqueue(encoder.encode(text))
          } catch (error) {
            // The client reconnects with its Last-Event-ID and misses nothing.
            log.warn({ error: messageOf(error) }, 'an event stream ended early')
          }
          end()
          if (!cancelled) controller.close()
        },
        cancel() {
          cancelled = true
          end()
        },
      },
      { highWaterMark: 0 },
    )
  }

  return [
    route({
      method: 'GET',
      path: '/v1/events/stream',
      access: 'read',
      query: StreamQuery,
      summary: 'Events as they come (server-sent events)',
      description:
        '`id` is the event id, `event` its type, `data` the event itself. The header Last-Event-ID goes on behind that event.',
      tag: 'events',
      answers: { 200: { description: 'Live', schema: z.string(), type: 'text/event-stream' } },
      problems: [503],
      async handle({ c, query }) {
        await known.connections(query.connection, 'connection')
        const order = await known.order(query.order, query.connection)
        const start = await startOf(c.req.header('last-event-id') || query.lastEventId, query.since)
        if (open >= MOST_STREAMS)
          throw new Refusal(503, `${MOST_STREAMS} streams are open already.`, { headers: { 'retry-after': '10' } })
        const body = c.req.method === 'HEAD' ? null : follow(eventFilter({ ...query, order }), start)
        return new Response(body, {
          headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
        })
      },
    }),
  ]
}

const frame = ({ id, type, body }: StoredEvent): string =>
  `id: ${id}\nevent: ${type}\n${body
    .split(/\r\n|[\r\n]/)
    .map(line => `data: ${line}\n`)
    .join('')}\n`
