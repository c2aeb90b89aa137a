import { z } from 'zod'
import { Instant } from '../../../schemas/api-requests.ts'
import { OrderEvent } from '../../../schemas/order-event.ts'
import type { Command, CommandContext, CommandOption, Flags } from '../command.ts'
import { all, segment } from '../listing.ts'
import { SINCE, TYPES, UNTIL } from '../options.ts'
import { counted, eventLine, short } from '../output.ts'
import { withServer } from '../server.ts'
import { failed, usage } from '../usage.ts'

const TO: CommandOption = { flags: '--to <destination>', text: 'only those of this handler or endpoint' }
const ALL: CommandOption = { flags: '--all', text: 'those of every destination' }
const YES: CommandOption = { flags: '--yes', text: 'do not ask' }

export const deadLettersCommand: Command = {
  name: 'dead-letters',
  summary: 'see the deliveries that were given up; deliver them again, or discard them',
  commands: [
    {
      name: 'list',
      summary: 'dead letters, newest first',
      options: [TO],
      examples: ['dead-letters list', 'dead-letters list --to billing'],
      action: run => withServer(run, context => listDeadLetters(context, run.flags)),
    },
    {
      name: 'show',
      summary: 'one dead letter, as JSON',
      args: '<id>',
      examples: ['dead-letters show 42'],
      action: run => withServer(run, context => showDeadLetter(context, run.args[0] ?? '')),
    },
    {
      name: 'redrive',
      summary: 'deliver dead letters again, in order',
      args: '[id...]',
      options: [
        TO,
        ALL,
        TYPES,
        SINCE,
        UNTIL,
        { flags: '--dry-run', text: 'print what would be delivered, and queue nothing' },
      ],
      examples: [
        'dead-letters redrive 42 43',
        'dead-letters redrive --to billing --type order.paid --since 2d --dry-run',
        'dead-letters redrive --all',
      ],
      action: run => withServer(run, context => redriveDeadLetters(context, run.args, run.flags)),
    },
    {
      name: 'discard',
      summary: 'give up dead letters for good',
      args: '[id...]',
      options: [TO, { flags: '--reason <text>', text: 'why; it is written to the log' }, YES],
      examples: ['dead-letters discard 42 --reason "test order"', 'dead-letters discard --to billing --reason "moved"'],
      action: run => withServer(run, context => discardDeadLetters(context, run.args, run.flags)),
    },
  ],
}

const DeadLetter = z.looseObject({
  id: z.string(),
  destination: z.string(),
  at: z.string(),
  attempts: z.number(),
  lastError: z.string().nullable(),
  event: OrderEvent,
})
type DeadLetter = z.infer<typeof DeadLetter>

const lineOf = ({ id, destination, event, attempts, lastError }: DeadLetter): string =>
  `${id}  ${destination}  ${eventLine(event)}  after ${counted(attempts, 'attempt')}: ${short(lastError ?? '')}`

export async function listDeadLetters(context: CommandContext, { to }: Flags): Promise<void> {
  const { client, output } = context
  let any = false
  for await (const value of all(context, '/v1/dead-letters', { destination: to })) {
    any = true
    output.item(value, lineOf(client.read(DeadLetter, value)))
  }
  if (!any)
    output.note(
      'No dead letters. Deliveries that fail and are tried again: orderwire deliveries list --failed',
      'quiet',
    )
}

export async function showDeadLetter(context: CommandContext, id: string): Promise<void> {
  for await (const value of all(context, '/v1/dead-letters'))
    if (context.client.read(DeadLetter, value).id === id) return context.output.whole(value)
  throw failed(`There is no dead letter "${id}". orderwire dead-letters list shows all.`)
}

const Queued = z.looseObject({ queued: z.number() })

export async function redriveDeadLetters(context: CommandContext, ids: readonly string[], flags: Flags): Promise<void> {
  const { client, output } = context
  const { to, type, since, until } = flags
  const filtered = [to, type, since, until].some(one => one !== undefined)
  if (ids.length > 0 && (filtered || flags.all === true))
    throw usage('dead-letters redrive: name ids, or filter with --to, --type, --since and --until; not both')
  if (ids.length === 0 && !filtered && flags.all !== true)
    throw usage('dead-letters redrive: name ids, or --to DESTINATION, --type, --since, --until, or --all')
  if (flags.dryRun === true) return preview(context, ids, flags)
  let queued = 0
  for (const letter of ids)
    queued += client.read(Queued, await client.call('POST', `/v1/dead-letters/${segment(letter)}/redrive`)).queued
  if (ids.length === 0) {
    const body = { destination: to, type, since, until }
    queued = client.read(Queued, await client.call('POST', '/v1/dead-letters/redrive', body)).queued
  }
  output.item({ queued }, `${counted(queued, 'dead letter')} queued again, in order`)
}

/** Prints the dead letters that a redrive would queue. */
async function preview(context: CommandContext, ids: readonly string[], flags: Flags): Promise<void> {
  const { client, output } = context
  const since = typeof flags.since === 'string' ? Instant.parse(flags.since) : Number.NEGATIVE_INFINITY
  const until = typeof flags.until === 'string' ? Instant.parse(flags.until) : Number.POSITIVE_INFINITY
  let count = 0
  for await (const value of all(context, '/v1/dead-letters', { destination: flags.to })) {
    const letter = client.read(DeadLetter, value)
    const observedAt = Date.parse(letter.event.data.observedAt)
    if (ids.length > 0 && !ids.includes(letter.id)) continue
    if (Array.isArray(flags.type) && !flags.type.includes(letter.event.type)) continue
    if (observedAt < since || observedAt >= until) continue
    count++
    output.item(value, lineOf(letter))
  }
  output.note(`${counted(count, 'dead letter')} would be queued (dry run: nothing was queued)`)
}

const Discarded = z.looseObject({ discarded: z.number() })

export async function discardDeadLetters(context: CommandContext, ids: readonly string[], flags: Flags): Promise<void> {
  const { client, output } = context
  const { to, reason } = flags
  if ((ids.length === 0) === (to === undefined))
    throw usage('dead-letters discard: name ids, or --to DESTINATION; one of them')
  if (typeof reason !== 'string' || reason.trim() === '')
    throw usage('dead-letters discard: say why with --reason, for example --reason "test orders"')
  const what = to === undefined ? counted(ids.length, 'dead letter') : `all dead letters of ${to}`
  if (flags.yes !== true && !(await context.confirm(`Discard ${what}? Their events are not delivered again.`)))
    throw failed('Nothing was discarded.')
  const body = { ...(to === undefined ? { ids } : { destination: to }), reason }
  const answer = await client.call('POST', '/v1/dead-letters/discard', body)
  const { discarded } = client.read(Discarded, answer)
  output.item(answer, `${counted(discarded, 'dead letter')} discarded`)
}
