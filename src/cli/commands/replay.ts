import { z } from 'zod'
import type { Command, CommandContext, Flags } from '../command.ts'
import { segment } from '../listing.ts'
import { ORDER, SINCE, TYPES, UNTIL } from '../options.ts'
import { orderIdOf } from '../order-lookup.ts'
import { counted } from '../output.ts'
import { withServer } from '../server.ts'
import { usage } from '../usage.ts'

export const replayCommand: Command = {
  name: 'replay',
  summary: 'deliver past events again to one destination, in order',
  options: [
    { flags: '--to <destination>', text: 'the handler or endpoint' },
    SINCE,
    UNTIL,
    TYPES,
    ORDER,
    { flags: '--event <id>', text: 'only this event, now' },
    { flags: '--dry-run', text: 'print how much would be delivered, and queue nothing' },
  ],
  examples: [
    'replay --to billing --since 2026-03-01 --type order.paid --dry-run',
    'replay --to billing --order 1005',
    'replay --to billing --event evt_5Zq0b3uJtYxw2KfPz8Qd1A',
  ],
  action: run => withServer(run, context => replay(context, run.flags)),
}

const Queued = z.object({ queued: z.number() })
const Preview = z.looseObject({
  events: z.number(),
  orders: z.number(),
  alreadyDelivered: z.number(),
  estimatedSeconds: z.number(),
})

export async function replay(context: CommandContext, flags: Flags): Promise<void> {
  const { client, output, progress } = context
  const { to, event, since, until, type, order } = flags
  if (typeof to !== 'string') throw usage('replay: name the destination with --to')
  if (typeof event === 'string') {
    if ([since, until, type, order, flags.dryRun].some(flag => flag !== undefined))
      throw usage('replay: --event is one event; leave --since, --until, --type, --order and --dry-run away')
    const path = `/v1/events/${segment(event)}/resend`
    const answer = client.read(Queued, await client.call('POST', path, { destination: to }))
    return output.item(answer, `${event} queued for ${to}`)
  }
  const path = `/v1/destinations/${segment(to)}/replay`
  const body = { since, until, types: type, order: await orderIdOf(context, { order }) }
  if (flags.dryRun === true) {
    const answer = await client.call('POST', `${path}?preview=true`, body)
    const { events, orders, alreadyDelivered, estimatedSeconds } = client.read(Preview, answer)
    const repeats = alreadyDelivered === 0 ? '' : `; ${alreadyDelivered} of them were delivered before`
    return output.item(
      answer,
      `${counted(events, 'event')} of ${counted(orders, 'order')} would be queued for ${to}, about ${estimatedSeconds} s${repeats} (dry run: nothing was queued)`,
    )
  }
  progress(`queuing events for ${to} …`)
  const { queued } = client.read(Queued, await client.call('POST', path, body))
  output.item({ queued }, `${counted(queued, 'event')} queued for ${to}, in order`)
}
