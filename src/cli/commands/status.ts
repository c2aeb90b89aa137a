import { z } from 'zod'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import type { Command, CommandContext } from '../command.ts'
import { all } from '../listing.ts'
import { counted, type Output, short, timeText } from '../output.ts'
import { IN_PROCESS, withServer } from '../server.ts'
import { ConnectionLine, printConnection } from './connections.ts'
import { DestinationLine, printDestination } from './destinations.ts'

export const statusCommand: Command = {
  name: 'status',
  summary: 'what needs attention, connections, destinations; exit code 1 if something needs attention',
  options: [{ flags: '--watch', text: 'print it again every 5 s, until Ctrl-C' }],
  examples: ['status', 'status --watch', 'status --json'],
  action: run =>
    withServer(run, context => (run.flags.watch === true ? watchStatus(context, systemClock()) : status(context))),
}

const EVERY_MS = 5_000
/** Lines shown to people; `--json` prints everything. */
const [MOST_ATTENTION, MOST_OTHERS] = [8, 5]

const AttentionLine = z.looseObject({
  kind: z.string(),
  severity: z.string(),
  subject: z.string().nullish(),
  since: z.string().nullish(),
  sentence: z.string(),
  reason: z.string().nullish(),
})
const Attention = z.looseObject({ data: z.array(z.unknown()) })

/** Prints the status once; rejects if something needs attention. */
export async function status(context: CommandContext): Promise<void> {
  const count = await printStatus(context)
  if (count > 0)
    throw new AppError(`${counted(count, 'thing')} ${count === 1 ? 'needs' : 'need'} attention.`, {
      code: 'status.attention',
      intent: 'fix',
    })
}

export async function watchStatus(context: CommandContext, clock: Clock): Promise<void> {
  const { output, signal } = context
  while (!signal.aborted) {
    output.clear()
    await printStatus(context)
    output.note(
      `${timeText(new Date(clock.now()).toISOString())} UTC, every ${EVERY_MS / 1000} s; Ctrl-C ends`,
      'quiet',
    )
    await clock.sleep(EVERY_MS, signal)
  }
}

/** Returns how many things need attention; those for information do not count. */
async function printStatus(context: CommandContext): Promise<number> {
  const { client, output } = context
  const { data } = client.read(Attention, await client.call('GET', '/v1/attention'))
  const [connections, destinations] = await Promise.all([
    rowsOf(context, '/v1/connections', ConnectionLine),
    rowsOf(context, '/v1/destinations', DestinationLine),
  ])
  if (client.target === IN_PROCESS) output.note('No server runs here; this is what the store says.', 'warn')

  if (data.length === 0) output.note('Nothing needs attention.')
  for (const value of shown(output, data, MOST_ATTENTION)) {
    const { kind, severity, since, sentence, reason } = client.read(AttentionLine, value)
    const why = reason ? `: ${short(reason)}` : ''
    const when = since ? ` (since ${timeText(since)})` : ''
    const tone = severity === 'info' || severity === 'warning' ? 'warn' : 'bad'
    output.item(
      { type: 'attention', ...client.read(AttentionLine, value) },
      `! ${sentence}${why}${when}  ${kind}`,
      tone,
    )
  }
  rest(output, data.length, MOST_ATTENTION, 'the console shows them, and status --json')

  output.note(`${counted(connections.length, 'connection')}:`)
  const worst = ({ enabled, state, lastError }: ConnectionLine) => (enabled === false ? -1 : trouble(state, lastError))
  connections.sort((a, b) => worst(b) - worst(a))
  for (const one of shown(output, connections, MOST_OTHERS))
    printConnection(output, one, { type: 'connection', ...one })
  rest(output, connections.length, MOST_OTHERS, 'orderwire connections list')

  output.note(`${counted(destinations.length, 'destination')}:`)
  destinations.sort((a, b) => trouble(b.state, b.lastError) - trouble(a.state, a.lastError) || b.backlog - a.backlog)
  for (const one of shown(output, destinations, MOST_OTHERS))
    printDestination(output, one, { type: 'destination', ...one })
  rest(output, destinations.length, MOST_OTHERS, 'orderwire destinations list')
  return data.filter(value => client.read(AttentionLine, value).severity !== 'info').length
}

async function rowsOf<S extends z.ZodType>(context: CommandContext, path: string, shape: S): Promise<z.output<S>[]> {
  const rows: z.output<S>[] = []
  for await (const value of all(context, path)) rows.push(context.client.read(shape, value))
  return rows
}

const WORST_LAST = ['ok', 'active', 'paused', 'behind', 'failing', 'open', 'stopped', 'disabled']
const trouble = (state: string, error: string | null): number => WORST_LAST.indexOf(state) + (error === null ? 0 : 0.5)

const shown = <T>({ json }: Output, rows: readonly T[], most: number): readonly T[] =>
  json ? rows : rows.slice(0, most)

function rest(output: Output, count: number, most: number, where: string): void {
  if (count > most) output.note(`  and ${count - most} more: ${where}`, 'quiet')
}
