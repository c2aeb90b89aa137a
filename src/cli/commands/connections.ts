import { z } from 'zod'
import type { Command, CommandContext } from '../command.ts'
import { all, segment } from '../listing.ts'
import { type Output, short, timeText } from '../output.ts'
import { withServer } from '../server.ts'

export const connectionsCommand: Command = {
  name: 'connections',
  summary: 'see how the connections to the vendors are doing',
  commands: [
    {
      name: 'list',
      summary: 'all connections',
      examples: ['connections list'],
      action: run => withServer(run, listConnections),
    },
    {
      name: 'show',
      summary: 'one connection, as JSON',
      args: '<id>',
      examples: ['connections show shop'],
      action: run => withServer(run, context => showConnection(context, run.args[0] ?? '')),
    },
  ],
}

export const ConnectionLine = z.looseObject({
  id: z.string(),
  vendor: z.string(),
  /** Absent: an older server does not say. */
  enabled: z.boolean().optional(),
  state: z.string(),
  lagSeconds: z.number().nullable(),
  lastSuccessAt: z.string().nullable(),
  lastError: z.string().nullable(),
  ordersTracked: z.number(),
  quarantined: z.number(),
})
export type ConnectionLine = z.infer<typeof ConnectionLine>

export async function listConnections(context: CommandContext): Promise<void> {
  let any = false
  for await (const value of all(context, '/v1/connections')) {
    any = true
    printConnection(context.output, context.client.read(ConnectionLine, value), value)
  }
  if (!any) context.output.note('No connections. Add one to orderwire.config.ts, or run orderwire init.', 'quiet')
}

/** `shop  shoplazza  failing  180 s behind, last read 2026-03-02 10:15:30, 61 orders, 2 quarantined: the error` */
export function printConnection(output: Output, connection: ConnectionLine, value: unknown): void {
  const { id, vendor, state, lagSeconds, lastSuccessAt, lastError, ordersTracked, quarantined } = connection
  const facts = [
    ...(lagSeconds === null ? [] : [`${Math.round(lagSeconds)} s behind`]),
    lastSuccessAt === null ? 'never read' : `last read ${timeText(lastSuccessAt)}`,
    `${ordersTracked} orders`,
    ...(quarantined > 0 ? [`${quarantined} quarantined`] : []),
  ].join(', ')
  const error = lastError === null ? '' : `: ${short(lastError)}`
  const tone = connection.enabled === false ? 'quiet' : state === 'ok' ? undefined : state === 'behind' ? 'warn' : 'bad'
  output.item(value, `${id.padEnd(12)}  ${vendor.padEnd(9)}  ${state.padEnd(7)}  ${facts}${error}`, tone)
}

export async function showConnection({ client, output }: CommandContext, id: string): Promise<void> {
  const answer = await client.call('GET', `/v1/connections/${segment(id)}`)
  client.read(ConnectionLine, answer)
  output.whole(answer)
}
