import { Backfill } from '../../schemas/api.ts'
import { systemClock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { type CommandContext, type Flags, usage } from './commands.ts'

const LOOK_EVERY_MS = 250
/** A failure that stands this long is told instead of waited for. */
const PATIENCE_MS = 60_000

/** Has a span read again and waits for its end. Interrupted, it goes on in the server. */
export async function backfill(
  { client, output, signal, progress }: CommandContext,
  connection: string,
  { since, until }: Flags,
): Promise<void> {
  if (since === undefined) throw usage('backfill: name the beginning of the span with --since')
  const path = `/v1/connections/${encodeURIComponent(connection)}/backfill`
  let state = client.read(Backfill, await client.call('POST', path, { since, until }))
  const clock = systemClock()
  let shown = ''
  for (let failingMs = 0; state.endedAt === null; ) {
    await clock.sleep(LOOK_EVERY_MS, signal)
    if (signal.aborted)
      throw new AppError(
        `Called off here; the backfill ${state.id} is kept, and a running server goes on with it: ${path}/${state.id} shows its progress.`,
        { code: 'cli.interrupted', intent: 'retry' },
      )
    state = client.read(Backfill, await client.call('GET', `${path}/${encodeURIComponent(state.id)}`))
    const text = lineOf(state)
    if (text !== shown) progress(text)
    shown = text
    failingMs = state.state === 'failing' ? failingMs + LOOK_EVERY_MS : 0
    if (failingMs >= PATIENCE_MS) break
  }
  const { orders, events, error } = state
  if (state.state !== 'done')
    throw new AppError(
      `The backfill does not go on: ${error ?? 'no reason is known'} ${orders} orders were read, ${events} events published.`,
      { code: 'cli.refused', intent: 'retry' },
    )
  output.item({ orders, events }, `${orders} orders read again, ${events} events published that were missing`)
}

function lineOf({ state, pages, orders, events, progress, secondsLeft, error }: Backfill): string {
  if (state === 'waiting') return 'waiting for the process that works the connection …'
  const left = secondsLeft === null ? '' : `, ${secondsLeft} s left`
  const trouble = state === 'failing' && error !== null ? `; waiting: ${error}` : ''
  return `${Math.floor(progress * 100)} %: ${pages} pages, ${orders} orders, ${events} events${left}${trouble}`
}
