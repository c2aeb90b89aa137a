import { Republished, Unpublished } from '../../../schemas/api.ts'
import { type Clock, systemClock } from '../../lib/clock.ts'
import type { Command, CommandContext, Flags } from '../command.ts'
import { CONNECTIONS, SINCE, UNTIL } from '../options.ts'
import { withServer } from '../server.ts'
import { failed, usage } from '../usage.ts'

export const republishCommand: Command = {
  name: 'republish',
  summary: 'append past events to the event log again, after Kafka lost them',
  options: [SINCE, UNTIL, CONNECTIONS],
  examples: ['republish --since 2d', 'republish --since 2026-03-01 --until 2026-03-02 --connection shop'],
  action: run => withServer(run, context => republish(context, run.flags, systemClock())),
}

const LOOK_EVERY_MS = 500
/** Without progress for this long, Kafka is away or no process works the connection. */
const PATIENCE_MS = 60_000

/** Past events into the event log again; resolves when the log has them. */
export async function republish(
  { client, output, progress, signal }: CommandContext,
  flags: Flags,
  clock: Clock,
): Promise<void> {
  const { since, until, connection } = flags
  if (since === undefined) throw usage('republish: name the beginning with --since, for example --since 2d')
  const waiting = async (): Promise<number> => {
    const { waiting } = client.read(Unpublished, await client.call('GET', '/v1/events/republish'))
    const asked = waiting.filter(one => !Array.isArray(connection) || connection.includes(one.connection))
    return asked.reduce((sum, { events }) => sum + events, 0)
  }

  progress('looking through the history …')
  let answered = false
  const asking = client.call('POST', '/v1/events/republish', { since, until, connection })
  asking.then(
    () => (answered = true),
    () => (answered = true),
  )
  // Without a server this process publishes, and the call answers only afterwards.
  let left = 0
  let movedAt = clock.monotonic()
  while (!signal.aborted) {
    await clock.sleep(LOOK_EVERY_MS, signal)
    const before = left
    left = await waiting()
    if (left !== before) {
      movedAt = clock.monotonic()
      if (left > 0) progress(`${left} events wait to be appended …`)
    }
    if (answered && (left === 0 || clock.monotonic() - movedAt > PATIENCE_MS)) break
  }
  const answer = client.read(Republished, await asking)
  if (answer.note !== undefined) return output.item(answer, answer.note)
  if (left > 0 && !signal.aborted)
    throw failed(
      `${left} of ${answer.republished} events still wait, and nothing moves. They are appended when a process that works the connection reaches Kafka; see /readyz.`,
    )
  output.item(answer, `${answer.republished} events appended to the event log again, each order in sequence`)
}
