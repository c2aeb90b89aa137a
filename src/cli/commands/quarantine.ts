import { z } from 'zod'
import type { Command, CommandContext, Flags } from '../command.ts'
import { all, segment } from '../listing.ts'
import { CONNECTION, ORDER } from '../options.ts'
import { findOrders } from '../order-lookup.ts'
import { short, timeText } from '../output.ts'
import { withServer } from '../server.ts'

export const quarantineCommand: Command = {
  name: 'quarantine',
  summary: 'see orders and values that could not be understood; read them again',
  commands: [
    {
      name: 'list',
      summary: 'all entries, newest first',
      options: [CONNECTION, ORDER],
      examples: ['quarantine list', 'quarantine list --connection shop'],
      action: run => withServer(run, context => listQuarantine(context, run.flags)),
    },
    {
      name: 'retry',
      summary: 'read the order of an entry again; the entry goes when the order is understood',
      args: '<id>',
      examples: ['quarantine retry 12'],
      action: run => withServer(run, context => retryQuarantine(context, run.args[0] ?? '')),
    },
  ],
}

const Entry = z.looseObject({
  id: z.string(),
  connection: z.string(),
  orderId: z.string().nullable(),
  at: z.string(),
  reason: z.string(),
  path: z.string(),
  value: z.string(),
})

export async function listQuarantine(context: CommandContext, { connection, order }: Flags): Promise<void> {
  const { client, output } = context
  let any = false
  for (const filter of await filtersOf(context, connection, order))
    for await (const value of all(context, '/v1/quarantine', filter)) {
      any = true
      const entry = client.read(Entry, value)
      const place = entry.orderId === null ? entry.connection : `${entry.connection}/${entry.orderId}`
      const found = entry.value === '' ? '' : ` (found ${short(entry.value)})`
      output.item(value, `${entry.id}  ${timeText(entry.at)}  ${place}  ${entry.path}: ${short(entry.reason)}${found}`)
    }
  if (!any) output.note('Nothing is in quarantine: every order was understood.', 'quiet')
}

/** An order that could not be read at all is known by its id only, so an unknown one is looked for as it is. */
async function filtersOf(context: CommandContext, connection: Flags[string], order: Flags[string]): Promise<Flags[]> {
  if (typeof order !== 'string') return [{ connection }]
  const places = await findOrders(context, order, typeof connection === 'string' ? connection : undefined).catch(
    () => [],
  )
  if (places.length === 0) return [{ connection, order }]
  return places.map(place => ({ connection: place.connection, order: place.orderId }))
}

export async function retryQuarantine({ client, output }: CommandContext, id: string): Promise<void> {
  const answer = await client.call('POST', `/v1/quarantine/${segment(id)}/retry`)
  client.read(z.looseObject({ queued: z.number() }), answer)
  output.item(answer, `${id} is read again soon; orderwire quarantine list shows whether it was understood`)
}
