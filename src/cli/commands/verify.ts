import type { z } from 'zod'
import { VerifyLine } from '../../../schemas/verify-line.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { Client } from '../client.ts'
import type { Command, CommandContext, Flags } from '../command.ts'
import { query } from '../listing.ts'
import { CONNECTIONS } from '../options.ts'
import { counted } from '../output.ts'
import { withServer } from '../server.ts'
import { failed, usage } from '../usage.ts'

export const verifyCommand: Command = {
  name: 'verify',
  summary: 'check the store against itself and, if asked, against the vendors',
  options: [
    CONNECTIONS,
    { flags: '--against-vendor', text: 'also compare the latest orders with what the vendors show now' },
    { flags: '--orders <number>', text: 'how many orders of each connection to compare; default: 100' },
    { flags: '--repair', text: 'repair what can be repaired' },
  ],
  examples: ['verify', 'verify --connection shop --against-vendor --orders 500', 'verify --repair'],
  action: run => withServer(run, context => verify(context, run.flags)),
}

type Line<T extends VerifyLine['type']> = Extract<z.infer<typeof VerifyLine>, { type: T }>

/** Findings of one check that are shown to people; `--json` prints them all. */
const MOST_SHOWN = 50
const PROGRESS_EVERY = 20_000

/** Prints what the verification finds; rejects if a problem is left. */
export async function verify({ client, output, signal, progress }: CommandContext, flags: Flags): Promise<void> {
  const againstVendor = flags.againstVendor === true
  if (flags.orders !== undefined && !againstVendor) throw usage('verify: --orders needs --against-vendor')
  const asked = { connection: flags.connection, againstVendor: againstVendor || undefined, orders: flags.orders }
  const method = flags.repair === true ? 'POST' : 'GET'
  const body = await client.open(`/v1/verify${query(asked)}`, { type: 'application/jsonl', signal, method })

  const shown = new Map<string, number>()
  let looking = ''
  let summary: Line<'summary'> | null = null
  for await (const line of linesOf(client, body, error => broken(client.target, signal, error))) {
    if (line.type === 'progress') {
      const { done, connection } = line
      if (line.looking !== looking || done % PROGRESS_EVERY === 0 || connection !== undefined)
        progress(`${connection === undefined ? line.looking : `${connection}: orders compared`}: ${done} …`)
      looking = line.looking
    } else if (line.type === 'finding') {
      const count = (shown.get(line.check) ?? 0) + 1
      shown.set(line.check, count)
      if (!output.json && count > MOST_SHOWN) continue
      output.item(line, findingText(line))
      if (!output.json && count === 1)
        for (const text of [line.means, line.remedy]) output.item(null, `         ${text}`)
    } else if (line.type === 'connection') output.item(line, connectionText(line))
    else if (line.type === 'summary') summary = line
    else throw failed(`The verification could not go on: ${line.detail}`)
  }
  if (!output.json)
    for (const [check, count] of shown)
      if (count > MOST_SHOWN) output.line(`${check}: ${count - MOST_SHOWN} more; --json shows them all`)
  if (!summary) throw broken(client.target, signal, null)
  output.item(summary, summaryText(summary))
  const { problems } = summary
  if (problems > 0)
    throw new AppError(`${counted(problems, 'problem')} found.`, {
      code: 'verify.problems',
      intent: 'fix',
    })
}

/** `brokenBy` makes the error of a stream that breaks. */
async function* linesOf(
  client: Client,
  body: ReadableStream<Uint8Array>,
  brokenBy: (error: unknown) => AppError,
): AsyncGenerator<VerifyLine> {
  const chunks = body.pipeThrough(new TextDecoderStream()).getReader()
  for (let text = ''; ; ) {
    const { done, value } = await chunks.read().catch(error => Promise.reject(brokenBy(error)))
    if (done) return
    const lines = (text + value).split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) yield client.read(VerifyLine, jsonOf(line))
  }
}

/** null, which no line can be, where the text is not JSON. */
function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}

function broken(target: string, signal: AbortSignal, error: unknown): AppError {
  const why = error instanceof Error ? ` (${messageOf(error.cause ?? error)})` : ''
  return signal.aborted
    ? new AppError('Interrupted; no repair is half done.', { code: 'cli.interrupted', intent: 'retry' })
    : new AppError(`${target} ended before the verification did${why}; try again.`, {
        code: 'cli.unreachable',
        intent: 'retry',
      })
}

function findingText({ check, severity, where, what, repaired }: Line<'finding'>): string {
  const order = where.order === undefined ? where.connection : `${where.connection}/${where.order}`
  const place = [where.destination, order, where.event].filter(part => part !== undefined).join(' ')
  const mark = repaired ? 'mended ' : severity === 'problem' ? 'PROBLEM' : 'info   '
  return `${mark}  ${check}  ${place === '' ? '' : `${place}: `}${what}`
}

function connectionText(line: Line<'connection'>): string {
  const counts: Record<string, number> = {
    missing: line.missing,
    'not told yet': line.late,
    different: line.different,
    'given since': line.fuller,
    'no longer shown': line.gone,
    'orders not found': line.notFound,
    'orders not understood': line.unreadable,
    'orders not read': line.unread,
  }
  const rest = Object.entries(counts).flatMap(([what, count]) => (count > 0 ? [`${count} ${what}`] : []))
  const agreeing = `${line.orders} orders compared with the vendor, ${line.agreeing} facts agree`
  return `${line.connection}: ${[agreeing, ...rest].join(', ')}`
}

function summaryText(line: Line<'summary'>): string {
  const looked = `${line.orders} orders, ${line.events} events, ${line.lanes} lanes, ${line.backlog} waiting, ${line.deadLetters} dead letters`
  const infos = line.infos > 0 ? `, ${line.infos} for information` : ''
  const mended = line.repaired > 0 ? `, ${line.repaired} mended` : ''
  return `${looked}: ${line.problems === 0 ? 'no problem' : counted(line.problems, 'problem')}${mended}${infos}`
}
