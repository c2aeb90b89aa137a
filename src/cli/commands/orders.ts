import { z } from 'zod'
import { OrderEvent } from '../../../schemas/order-event.ts'
import { whatHappened } from '../../order/what-happened.ts'
import type { Command, CommandContext, Flags } from '../command.ts'
import { DeliveryView, deliveryState } from '../delivery-text.ts'
import { query, segment } from '../listing.ts'
import { CONNECTION } from '../options.ts'
import { findOrder } from '../order-lookup.ts'
import { counted, timeText } from '../output.ts'
import { withServer } from '../server.ts'

export const ordersCommand: Command = {
  name: 'orders',
  summary: 'see one order: its facts, its events and their deliveries',
  commands: [
    {
      name: 'show',
      summary: 'the timeline of an order, by its number or its id',
      args: '<order>',
      options: [CONNECTION],
      examples: ['orders show 1005', 'orders show 288263-00421 --connection shop --json'],
      action: run => withServer(run, context => showOrder(context, run.args[0] ?? '', run.flags)),
    },
  ],
}

const Shown = z.looseObject({
  order: z.looseObject({
    connection: z.string(),
    vendor: z.string(),
    orderId: z.string(),
    orderNumber: z.string().nullable(),
    total: z.string().nullable(),
    currency: z.string().nullable(),
    status: z.string().nullable(),
    observedAt: z.string(),
    lines: z.array(z.unknown()),
  }),
  events: z.array(OrderEvent),
})
const WithDeliveries = z.looseObject({ deliveries: z.array(DeliveryView) })
const Quarantined = z.looseObject({ data: z.array(z.looseObject({ id: z.string(), reason: z.string() })) })

/** `--json`: one line for the order, then one for each event with its deliveries. */
export async function showOrder(context: CommandContext, wanted: string, { connection }: Flags): Promise<void> {
  const { client, output } = context
  const place = await findOrder(context, wanted, typeof connection === 'string' ? connection : undefined)
  const path = `/v1/orders/${segment(place.connection)}/${segment(place.orderId)}`
  const { order, events } = client.read(Shown, await client.call('GET', path))

  const number = order.orderNumber === null ? '' : ` (number ${order.orderNumber})`
  output.item({ type: 'order', order }, `${order.connection}/${order.orderId}${number}, ${order.vendor}`)
  const total = order.total === null ? 'total not given' : `${order.total} ${order.currency ?? ''}`.trim()
  const status = order.status === null ? '' : `, vendor's status: ${order.status}`
  output.note(`  ${total}, ${counted(order.lines.length, 'line')}${status}, last read ${timeText(order.observedAt)}`)

  for (const event of events) {
    const answer = await client.call('GET', `/v1/events/${segment(event.id)}`)
    const { deliveries } = client.read(WithDeliveries, answer)
    const { occurredAt, observedAt, sequence } = event.data
    const times = `happened ${timeText(occurredAt)}, observed ${timeText(observedAt)}`
    const what = whatHappened(event)
    output.item(
      { type: 'event', event, deliveries },
      `#${sequence} ${event.type.slice('order.'.length)}${what === '' ? '' : `: ${what}`} (${times})  ${event.id}`,
    )
    for (const delivery of deliveries) {
      const { text, tone } = deliveryState(delivery)
      output.note(`     ${delivery.destination}: ${text}`, tone)
    }
    if (deliveries.length === 0) output.note('     no delivery yet, or no destination takes it', 'quiet')
  }
  if (events.length === 0) output.note('  No event yet: the vendor shows no fact of this order that can be published.')
  await showQuarantine(context, place)
}

async function showQuarantine({ client, output }: CommandContext, place: { connection: string; orderId: string }) {
  const filter = { connection: place.connection, order: place.orderId }
  const { data } = client.read(Quarantined, await client.call('GET', `/v1/quarantine${query(filter)}`))
  for (const entry of data)
    output.item({ type: 'quarantine', entry }, `quarantined: ${entry.reason}  ${entry.id}`, 'warn')
}
