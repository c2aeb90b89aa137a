import { z } from 'zod'
import { OrderEvent } from '../../../schemas/order-event.ts'
import type { Command, CommandContext, Flags } from '../command.ts'
import { query, segment } from '../listing.ts'
import { eventLine } from '../output.ts'
import { withServer } from '../server.ts'

export const pollCommand: Command = {
  name: 'poll',
  summary: 'poll a connection now and print the new events',
  args: '<connection>',
  options: [
    { flags: '--order <id>', text: "read only this order, by the vendor's order id" },
    { flags: '--user <id>', text: "the order's buyer; some vendors ask for it for an order that was not read before" },
    { flags: '--dry-run', text: 'print the events a poll would publish, and publish nothing' },
  ],
  examples: ['poll shop', 'poll shop --dry-run', 'poll mall --order 7001 --user 42'],
  action: run => withServer(run, context => poll(context, run.args[0] ?? '', run.flags)),
}

const PollAnswer = z.object({
  orders: z.number(),
  events: z.number(),
  quarantined: z.number(),
  data: z.array(OrderEvent),
})

export async function poll(
  { client, output, progress }: CommandContext,
  connection: string,
  flags: Flags,
): Promise<void> {
  progress(`polling ${connection} …`)
  const path = `/v1/connections/${segment(connection)}/poll`
  const filter = { order: flags.order, user: flags.user, dryRun: flags.dryRun }
  const answer = client.read(PollAnswer, await client.call('POST', path + query(filter)))
  for (const event of answer.data) output.item(event, eventLine(event))
  const stored = flags.dryRun === true ? ' (dry run: nothing was stored or published)' : ''
  const quarantined = answer.quarantined > 0 ? `, ${answer.quarantined} quarantined: orderwire quarantine list` : ''
  output.note(`${answer.orders} orders read, ${answer.events} new events${quarantined}${stored}`)
}
