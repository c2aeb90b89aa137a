import { z } from 'zod'
import type { Command, CommandContext } from '../command.ts'
import { all, segment } from '../listing.ts'
import { counted, type Output, short, timeText } from '../output.ts'
import { withServer } from '../server.ts'
import { failed } from '../usage.ts'

const one = (name: string, summary: string, run: (context: CommandContext, id: string) => Promise<void>): Command => ({
  name,
  summary,
  args: '<id>',
  examples: [`destinations ${name} billing`],
  action: invocation => withServer(invocation, context => run(context, invocation.args[0] ?? '')),
})

export const destinationsCommand: Command = {
  name: 'destinations',
  summary: 'see how handlers and endpoints are doing; pause, resume, retry',
  commands: [
    {
      name: 'list',
      summary: 'all handlers and endpoints',
      examples: ['destinations list'],
      action: run => withServer(run, listDestinations),
    },
    one('show', 'one destination, as JSON', showDestination),
    one('pause', 'hold back its deliveries; its events wait', pauseDestination),
    one('resume', 'deliver everything that waited, in order', resumeDestination),
    one('retry', 'try everything that waits now', retryDestination),
  ],
}

export const DestinationLine = z.looseObject({
  id: z.string(),
  kind: z.string(),
  state: z.string(),
  backlog: z.number(),
  oldestWaitingSeconds: z.number().nullable(),
  deadLetters: z.number(),
  successRate: z.number().nullable(),
  lastError: z.string().nullable(),
  nextAttemptAt: z.string().nullable(),
})
export type DestinationLine = z.infer<typeof DestinationLine>

export async function listDestinations(context: CommandContext): Promise<void> {
  let any = false
  for await (const value of all(context, '/v1/destinations')) {
    any = true
    printDestination(context.output, context.client.read(DestinationLine, value), value)
  }
  if (!any)
    context.output.note(
      'No destinations. Add a webhook endpoint: orderwire endpoints add URL; or a handler: a file in the folder handlers.',
      'quiet',
    )
}

/** `billing  endpoint  open  31 waiting (oldest 720 s), 93 dead letters, 0 % delivered, next attempt …: the error` */
export function printDestination(output: Output, destination: DestinationLine, value: unknown): void {
  const { id, kind, state, backlog, oldestWaitingSeconds, deadLetters, successRate, lastError } = destination
  const facts = [
    oldestWaitingSeconds === null
      ? `${backlog} waiting`
      : `${backlog} waiting (oldest ${Math.round(oldestWaitingSeconds)} s)`,
    ...(deadLetters > 0 ? [counted(deadLetters, 'dead letter')] : []),
    ...(successRate === null ? [] : [`${Math.floor(successRate * 1000) / 10} % delivered`]),
    ...(lastError !== null && destination.nextAttemptAt !== null
      ? [`next attempt ${timeText(destination.nextAttemptAt)}`]
      : []),
  ].join(', ')
  const error = lastError === null ? '' : `: ${short(lastError)}`
  const tone = state === 'disabled' || state === 'open' ? 'bad' : lastError !== null ? 'warn' : undefined
  output.item(value, `${id.padEnd(12)}  ${kind.padEnd(8)}  ${state.padEnd(8)}  ${facts}${error}`, tone)
}

export async function showDestination(context: CommandContext, id: string): Promise<void> {
  for await (const value of all(context, '/v1/destinations'))
    if (context.client.read(DestinationLine, value).id === id) return context.output.whole(value)
  throw failed(`There is no destination "${id}". orderwire destinations list shows all.`)
}

export async function pauseDestination({ client, output }: CommandContext, id: string): Promise<void> {
  const answer = await client.call('POST', `/v1/destinations/${segment(id)}/pause`)
  client.read(DestinationLine, answer)
  output.item(answer, `${id} is paused; its events wait. Go on with: orderwire destinations resume ${id}`)
}

const Waiting = z.looseObject({ waiting: z.number() })

export async function resumeDestination({ client, output }: CommandContext, id: string): Promise<void> {
  const answer = await client.call('POST', `/v1/destinations/${segment(id)}/resume`)
  output.item(answer, `${id} goes on with all that waited: ${client.read(Waiting, answer).waiting} events`)
}

export async function retryDestination({ client, output }: CommandContext, id: string): Promise<void> {
  const answer = await client.call('POST', `/v1/destinations/${segment(id)}/retry`)
  const { waiting } = client.read(Waiting, answer)
  const text = waiting === 0 ? `nothing waits for ${id}` : `${counted(waiting, 'waiting event')} of ${id} due now`
  output.item(answer, text)
}
