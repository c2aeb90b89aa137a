import { z } from 'zod'
import type { Command, CommandContext, Flags } from '../command.ts'
import { DeliveryView, deliveryState, hasFailed } from '../delivery-text.ts'
import { all, segment } from '../listing.ts'
import { countOption, DESTINATION, instantOption, ORDER, TYPES } from '../options.ts'
import { findOrders } from '../order-lookup.ts'
import { short } from '../output.ts'
import { withServer } from '../server.ts'

const USUAL_COUNT = 50

export const deliveriesCommand: Command = {
  name: 'deliveries',
  summary: 'see which destination got which event, and each attempt',
  commands: [
    {
      name: 'list',
      summary: 'deliveries, newest first',
      options: [
        { flags: '--failed', text: 'only those that failed: dead letters, and those that wait for another attempt' },
        DESTINATION,
        ORDER,
        { flags: '--event <id>', text: 'only of this event' },
        TYPES,
        {
          flags: '--answer <class>',
          text: 'only where the latest attempt was answered so: 2xx, 3xx, 4xx, 5xx, or none (no answer, or a handler)',
        },
        instantOption('--since <when>', 'acknowledged, given up, or (waiting) observed at or after'),
        instantOption('--until <when>', 'the same, before'),
        countOption('--last <number>', `how many; default: ${USUAL_COUNT}`, 100_000),
      ],
      examples: [
        'deliveries list --failed',
        'deliveries list --destination billing --last 200',
        'deliveries list --order 1005',
        'deliveries list --type order.refunded --answer 5xx --since 2h',
      ],
      action: run => withServer(run, context => listDeliveries(context, run.flags)),
    },
    {
      name: 'show',
      summary: 'one delivery with its attempts and what the receiver answered',
      args: '<id>',
      examples: ['deliveries show billing:evt_5Zq0b3uJtYxw2KfPz8Qd1A'],
      action: run => withServer(run, context => showDelivery(context, run.args[0] ?? '')),
    },
  ],
}

export async function listDeliveries(context: CommandContext, flags: Flags): Promise<void> {
  const { client, output } = context
  const most = typeof flags.last === 'number' ? flags.last : USUAL_COUNT
  let count = 0
  for await (const value of found(context, flags)) {
    if (count === most) {
      output.note(`There are more; --last ${most * 10} shows more of them.`, 'quiet')
      return
    }
    count++
    const delivery = client.read(DeliveryView, value)
    const { text, tone } = deliveryState(delivery)
    output.item(value, `${delivery.id}  order ${delivery.order}  ${text}`, tone)
  }
  if (count > 0) return
  const filtered = Object.values(wanted(flags)).some(value => value !== undefined)
  const none = 'No deliveries. Destinations and what waits for them: orderwire destinations list'
  output.note(
    filtered ? 'No delivery is like this.' : flags.failed === true ? 'No delivery has failed.' : none,
    'quiet',
  )
}

/** The deliveries asked for, as the API gives them. */
async function* found(context: CommandContext, flags: Flags): AsyncGenerator<unknown> {
  const events = await eventsOf(context, flags)
  const statuses = flags.failed === true ? ['dead', 'waiting'] : [undefined]
  for (const event of events)
    for (const status of statuses)
      for await (const value of all(context, '/v1/deliveries', { ...wanted(flags), event, status }))
        if (flags.failed !== true || hasFailed(context.client.read(DeliveryView, value))) yield value
}

const wanted = ({ destination, type, answer, since, until }: Flags): Flags => ({
  destination,
  type,
  answer,
  since,
  until,
})

const Events = z.looseObject({ events: z.array(z.looseObject({ id: z.string() })) })

/** The events whose deliveries are asked for, newest first; `undefined` stands for all. */
async function eventsOf(context: CommandContext, { order, event }: Flags): Promise<(string | undefined)[]> {
  if (typeof event === 'string') return [event]
  if (typeof order !== 'string') return [undefined]
  const ids: string[] = []
  for (const { connection, orderId } of await findOrders(context, order)) {
    const path = `/v1/orders/${segment(connection)}/${segment(orderId)}`
    const { events } = context.client.read(Events, await context.client.call('GET', path))
    ids.push(...events.map(({ id }) => id).reverse())
  }
  return ids
}

export async function showDelivery({ client, output }: CommandContext, id: string): Promise<void> {
  const value = await client.call('GET', `/v1/deliveries/${segment(id)}`)
  const delivery = client.read(DeliveryView, value)
  const { text, tone } = deliveryState(delivery)
  output.item(value, `${delivery.eventId} to ${delivery.destination}, order ${delivery.order}: ${text}`, tone)
  for (const { at, statusCode, ms, error, response, origin } of delivery.attempts) {
    const why = origin ? ` (${origin})` : ''
    const said = error ? `: ${short(error)}` : ''
    output.note(`  ${at}  answered ${statusCode ?? 'nothing'} in ${ms} ms${why}${said}`, error ? 'warn' : undefined)
    if (response) output.note(`    ${short(response)}`, 'quiet')
  }
  if (delivery.attempts.length === 0) output.note('  no attempt yet, or its attempts are no longer kept', 'quiet')
}
