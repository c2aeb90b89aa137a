import { Backfill } from '../../../schemas/api.ts'
import { systemClock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import type { Command, CommandContext, Flags } from '../command.ts'
import { segment } from '../listing.ts'
import { instantOption } from '../options.ts'
import { withServer } from '../server.ts'
import { failed, usage } from '../usage.ts'

export const backfillCommand: Command = {
  name: 'backfill',
  summary: 'read a span of time again and publish what was missed',
  args: '<connection>',
  options: [
    instantOption('--since <when>', 'orders created or updated at or after: a time, a date, or how long ago (2h)'),
    instantOption('--until <when>', 'up to; default: now'),
  ],
  examples: ['backfill shop --since 30d', 'backfill shop --since 2026-03-01 --until 2026-03-08'],
  action: run => withServer(run, context => backfill(context, run.args[0] ?? '', run.flags)),
}

const LOOK_EVERY_MS = 250
/** A backfill that fails for this long is reported instead of waited for. */
const PATIENCE_MS = 60_000

/** Asks for a backfill and waits until it ends. If the command is interrupted, the server goes on with it. */
export async function backfill(
  { client, output, signal, progress }: CommandContext,
  connection: string,
  { since, until }: Flags,
): Promise<void> {
  if (since === undefined) throw usage('backfill: name the beginning of the span with --since, for example --since 30d')
  const path = `/v1/connections/${segment(connection)}/backfill`
  let state = client.read(Backfill, await client.call('POST', path, { since, until }))
  const clock = systemClock()
  let shown = ''
  for (let failingMs = 0; state.endedAt === null; ) {
    await clock.sleep(LOOK_EVERY_MS, signal)
    if (signal.aborted)
      throw new AppError(
        `Interrupted. The backfill ${state.id} is kept, and a running server goes on with it: GET ${path}/${state.id} shows its progress.`,
        { code: 'cli.interrupted', intent: 'retry' },
      )
    state = client.read(Backfill, await client.call('GET', `${path}/${segment(state.id)}`))
    const text = lineOf(state)
    if (text !== shown) progress(text)
    shown = text
    failingMs = state.state === 'failing' ? failingMs + LOOK_EVERY_MS : 0
    if (failingMs >= PATIENCE_MS) break
  }
  const { orders, events, error } = state
  if (state.state !== 'done')
    throw failed(
      `The backfill does not go on: ${error ?? 'no reason is known'} ${orders} orders were read, ${events} events published.`,
    )
  output.item({ orders, events }, `${orders} orders read again, ${events} events published that were missing`)
}

function lineOf({ state, pages, orders, events, progress, secondsLeft, error }: Backfill): string {
  if (state === 'waiting') return 'waiting for the process that works the connection …'
  const left = secondsLeft === null ? '' : `, ${secondsLeft} s left`
  const trouble = state === 'failing' && error !== null ? `; waiting: ${error}` : ''
  return `${Math.floor(progress * 100)} %: ${pages} pages, ${orders} orders, ${events} events${left}${trouble}`
}
