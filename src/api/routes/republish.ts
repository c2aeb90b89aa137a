import { Republished, Unpublished } from '../../../schemas/api.ts'
import { Republish } from '../../../schemas/api-requests.ts'
import type { ApiDeps } from '../deps.ts'
import { reply } from '../json.ts'
import type { KnownIds } from '../known-ids.ts'
import { Refusal } from '../problem.ts'
import { type Route, route } from '../route.ts'

/** Orders in one transaction. */
const ORDERS = 200

const EMBEDDED =
  'The embedded event log is the event history itself: it cannot lose what the history has, so nothing has to be put back. ' +
  'To deliver past events again, use `replay --to DESTINATION`.'

/**
 * `/v1/events/republish`: appends past events to the event log again, after Kafka has lost them.
 *
 * It puts the events into `unpublished`; the process that polls the connection then publishes the events as usual. So an order is still published by
 * one process and in sequence, new events last; a crash loses nothing; replays wait until all is in the log. All events of one order are
 * marked in one transaction, so no later event is published before an earlier one.
 */
export function republishRoutes({
  config,
  store,
  eventLog,
  ingest,
  known,
}: Pick<ApiDeps, 'config' | 'store' | 'eventLog' | 'ingest'> & { known: KnownIds }): Route[] {
  const enabled = config.connections.filter(connection => connection.enabled).map(({ id }) => id)

  async function asked(connections: readonly string[] | undefined): Promise<readonly string[]> {
    await known.connections(connections, 'connection')
    const idle = connections?.find(id => !enabled.includes(id))
    if (idle !== undefined)
      throw new Refusal(
        409,
        `The connection "${idle}" is not enabled in the configuration, so nobody publishes its events.`,
      )
    return connections ?? enabled
  }

  async function unpublish(connection: string, span: { since: number; until?: number }): Promise<number> {
    let count = 0
    for (let after = ''; ; ) {
      const { events, last } = await store.events.unpublish({ connection, ...span, after, orders: ORDERS })
      count += events
      if (last === null) return count
      after = last
    }
  }

  return [
    route({
      method: 'POST',
      path: '/v1/events/republish',
      access: 'admin',
      body: Republish,
      summary: 'Append past events to the event log again, in order',
      description:
        'After Kafka lost events (a deleted topic, a restored cluster). Events observed in the span go to the log again under their known ids. With the embedded log there is nothing to do.',
      tag: 'events',
      answers: { 202: { description: 'How many events go to the log again', schema: Republished } },
      problems: [409],
      async handle({ body: { since, until, connection } }) {
        const connections = await asked(connection)
        if (eventLog.commitPublishes) return reply({ republished: 0, note: EMBEDDED }, 202)
        let republished = 0
        for (const id of connections) {
          republished += await unpublish(id, { since, ...(until !== undefined && { until }) })
          await ingest?.publish(id)
        }
        return reply({ republished }, 202)
      },
    }),
    route({
      method: 'GET',
      path: '/v1/events/republish',
      access: 'read',
      summary: 'How many events wait to be appended to the event log',
      tag: 'events',
      answers: { 200: { description: 'By connection, new events included', schema: Unpublished } },
      async handle() {
        const waiting = await store.verify.unpublished()
        return reply({ waiting: waiting.map(({ connection, count }) => ({ connection, events: count })) })
      },
    }),
  ]
}
