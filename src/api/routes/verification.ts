import type { z } from 'zod'
import { VerifyQuery } from '../../../schemas/api-requests.ts'
import { VerifyLine } from '../../../schemas/verify-line.ts'
import { throughStore } from '../../ingest/poll-request.ts'
import { messageOf } from '../../lib/errors.ts'
import { verify } from '../../verify/verify.ts'
import type { ApiDeps } from '../deps.ts'
import type { KnownIds } from '../known-ids.ts'
import { invalid, Refusal } from '../problem.ts'
import { type Route, route } from '../route.ts'

const LATEST_ORDERS = 100

/** `/v1/verify`: searches the store for contradictions, and compares it with the vendors. */
export function verifyRoutes(deps: ApiDeps & { known: KnownIds }): Route[] {
  const { config, store, eventLog, ingest, dispatch, clock, log, known } = deps
  let running = false

  const { read, poll } = ingest ?? throughStore({ requests: store.pollRequests, clock })

  async function lines(
    { connection, againstVendor = false, orders }: z.output<typeof VerifyQuery>,
    repair: boolean,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<VerifyLine>> {
    await known.connections(connection, 'connection')
    if (orders !== undefined && !againstVendor)
      throw invalid([{ path: 'orders', message: 'expected only together with againstVendor, found without it' }])
    const connections = connection ? new Set(connection) : null
    const asked = config.connections.filter(({ id }) => connections?.has(id) ?? true)
    const idle = asked.find(({ enabled }) => !enabled)
    if (connections && againstVendor && idle)
      throw new Refusal(409, `The connection "${idle.id}" is not enabled in the configuration.`)
    return verify(
      {
        store,
        clock,
        signal,
        read,
        poll: async (connection, { orderId, userId }) => {
          const { events } = await poll(connection, { signal, orderId, ...(userId !== null && { userId }) })
          return new Set(events.map(({ id }) => id))
        },
        eventLog,
        destinations: async () => new Set((await known.destinations()).map(({ id }) => id)),
      },
      {
        connections,
        repair,
        vendors: againstVendor
          ? { connections: asked.filter(({ enabled }) => enabled), orders: orders ?? LATEST_ORDERS }
          : null,
      },
    )
  }

  /** One at a time, because it reads the whole store. */
  async function answer(
    request: Request,
    query: z.output<typeof VerifyQuery>,
    repair: boolean,
  ): Promise<ReadableStream<Uint8Array>> {
    if (running)
      throw new Refusal(503, 'A verification is running already; one at a time.', { headers: { 'retry-after': '30' } })
    const ending = new AbortController()
    const found = await lines(query, repair, AbortSignal.any([request.signal, ending.signal]))
    const end = () => {
      running = false
      ending.abort()
      if (repair) dispatch?.wake()
    }
    running = true
    request.signal.addEventListener('abort', end, { once: true })
    const bytes = (line: VerifyLine) => Buffer.from(`${JSON.stringify(line)}\n`)
    return new ReadableStream({
      async pull(controller) {
        try {
          const { done, value } = await found.next()
          if (ending.signal.aborted) return
          if (!done) return controller.enqueue(bytes(value))
        } catch (error) {
          if (ending.signal.aborted) return
          log.error({ error: messageOf(error) }, 'a verification could not go on')
          controller.enqueue(bytes({ type: 'error', detail: messageOf(error) }))
        }
        end()
        controller.close()
      },
      cancel() {
        end()
        void found.return(undefined)
      },
    })
  }

  const verifying = (method: 'GET' | 'POST'): Route =>
    route({
      method,
      path: '/v1/verify',
      access: method === 'GET' ? 'read' : 'write',
      query: VerifyQuery,
      summary: method === 'GET' ? 'Find contradictions in the store, or with the vendors' : 'The same, with repair',
      description:
        method === 'GET'
          ? 'JSON lines, as they are found; the last one is the summary. Changes nothing.'
          : 'Repairs what is safe to repair, and reads orders with missing facts again.',
      tag: 'verify',
      answers: { 200: { description: 'Line by line', schema: VerifyLine, type: 'application/jsonl' } },
      problems: [409, 503],
      async handle({ c, query }) {
        const body = c.req.method === 'HEAD' ? null : await answer(c.req.raw, query, method === 'POST')
        return new Response(body, { headers: { 'content-type': 'application/jsonl', 'cache-control': 'no-store' } })
      },
    })
  return [verifying('GET'), verifying('POST')]
}
