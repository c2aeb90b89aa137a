import { OrderEvent } from '../../../schemas/order-event.ts'
import type { Command, CommandContext, Flags } from '../command.ts'
import { followEvents } from '../follow-events.ts'
import { all } from '../listing.ts'
import { CONNECTIONS, countOption, ORDER, SINCE, TYPES, UNTIL } from '../options.ts'
import { orderIdOf } from '../order-lookup.ts'
import { eventLine } from '../output.ts'
import { withServer } from '../server.ts'
import { usage } from '../usage.ts'

export const eventsCommand: Command = {
  name: 'events',
  summary: 'print the event history, oldest first',
  options: [
    TYPES,
    CONNECTIONS,
    ORDER,
    SINCE,
    UNTIL,
    countOption('--last <number>', 'only the newest ones, oldest of them first', 100_000),
    { flags: '--follow', text: 'then print new events as they come, until Ctrl-C' },
  ],
  examples: [
    'events --last 20',
    'events --connection shop --since 2h --follow',
    'events --order 1005',
    "events --type order.refunded --json | jq '.data.refund.amount'",
  ],
  action: run => withServer(run, context => events(context, run.flags)),
}

export async function events(context: CommandContext, flags: Flags): Promise<void> {
  const { client, output, signal } = context
  const { type, connection, since, until } = flags
  if (flags.follow === true && until !== undefined) throw usage('events: --follow and --until exclude each other')
  const filter = { type, connection, order: await orderIdOf(context, flags), since, until }
  const print = (value: unknown): string => {
    const event = client.read(OrderEvent, value)
    output.item(value, eventLine(event))
    return event.id
  }
  let lastId: string | undefined
  if (typeof flags.last === 'number')
    for (const event of await newest(context, filter, flags.last)) lastId = print(event)
  else for await (const event of all(context, '/v1/events', filter)) lastId = print(event)
  if (flags.follow === true && !signal.aborted) {
    const live = { type, connection, order: filter.order, lastEventId: lastId }
    for await (const data of followEvents(context, live)) print(data)
  } else if (lastId === undefined && !signal.aborted)
    output.note(
      'No events. If a filter is set, try without it; otherwise see what the connections do: orderwire connections list',
      'quiet',
    )
}

/** The newest `count` events, oldest of them first. */
async function newest(context: CommandContext, filter: Flags, count: number): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const event of all(context, '/v1/events', { ...filter, direction: 'desc' })) {
    found.push(event)
    if (found.length === count) break
  }
  return found.reverse()
}
